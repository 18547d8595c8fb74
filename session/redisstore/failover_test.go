package redisstore_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/redisstore"
	"github.com/go-usher/usher/session/storetest"
)

// newReplica starts a replica of master, and waits until it has everything.
func newReplica(t testing.TB, master *server, args ...string) *server {
	t.Helper()
	host, port, err := net.SplitHostPort(master.addr)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, append([]string{"--appendonly", "no", "--replicaof", host + " " + port, "--repl-diskless-sync-delay", "0"}, args...)...)
	client := newClientOf(t, s)
	eventually(t, "the replica is in step", func() bool {
		return strings.Contains(client.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	return s
}

func newClientOf(t testing.TB, s *server) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	return client
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestEndingsWaitForReplicas(t *testing.T) {
	master := newServer(t, "--appendonly", "no")
	replica := newReplica(t, master)
	store := usher.Must(redisstore.New(newClientOf(t, master), &redisstore.Options{Replicas: 1}))
	if err := store.Verify(t.Context()); err != nil {
		t.Errorf("Verify: %v", err)
	}
	copied := usher.Must(redisstore.New(newClientOf(t, replica), nil))
	if err := copied.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "slave") {
		t.Errorf("Verify of a replica: %v; want its role", err)
	}
	m := newManager(t, newClientOf(t, master), "usher:", func(c *session.Config[usher.Claims]) { c.Store, c.MaxPerSubject = store, 2 })
	gone := func(id string) {
		t.Helper()
		if _, err := copied.Lookup(t.Context(), "ada", id, time.Now()); !errors.Is(err, session.ErrSessionEnded) {
			t.Errorf("on the replica: %v; want what was acknowledged", err)
		}
	}
	start := func() session.Tokens {
		t.Helper()
		tokens, err := m.Start(t.Context(), "ada", session.About{})
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	for range 50 {
		first, second := start(), start()
		start() // ends the first
		gone(first.SessionID)
		if err := m.End(t.Context(), second.RefreshToken); err != nil {
			t.Fatal(err)
		}
		gone(second.SessionID)
		third := start()
		spent := third.RefreshToken
		for range 2 {
			next, err := m.Refresh(t.Context(), third.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			third = next
		}
		if _, err := m.Refresh(t.Context(), spent); !errors.Is(err, session.ErrReused) {
			t.Fatalf("reuse: %v", err)
		}
		gone(third.SessionID)
		if err := m.EndAll(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
	}

	alive := start()
	replica.stop()
	if err := m.End(t.Context(), alive.RefreshToken); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("End without a replica: %v; want ErrUnavailable", err)
	}
	// The session has gone from the master. Trying again must not be taken for a success: nothing has reached a replica.
	if err := m.End(t.Context(), alive.RefreshToken); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("End again without a replica: %v; want ErrUnavailable", err)
	}
	if err := m.EndAll(t.Context(), "ada"); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("EndAll without a replica: %v; want ErrUnavailable", err)
	}
	if err := store.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "Options.Replicas") {
		t.Errorf("Verify without a replica: %v; want a word about Options.Replicas", err)
	}
	replica.start()
	eventually(t, "End succeeds once there is a replica", func() bool { return m.End(t.Context(), alive.RefreshToken) == nil })
	gone(alive.SessionID)
}

// newSentinel starts a Sentinel that watches master under the name "sessions".
func newSentinel(t *testing.T, master *server) string {
	t.Helper()
	host, port, err := net.SplitHostPort(master.addr)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	_, own, _ := net.SplitHostPort(address)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\nsentinel monitor sessions %s %s 1\nsentinel down-after-milliseconds sessions 1000\nsentinel failover-timeout sessions 10000\n",
		own, dir, filepath.Join(dir, "log"), host, port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait() // it reports the signal
	})
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: address})
	defer sentinel.Close()
	eventually(t, "Sentinel knows the replica", func() bool {
		replicas, err := sentinel.Replicas(t.Context(), "sessions").Result()
		return err == nil && len(replicas) == 1
	})
	return address
}

func freeAddress(t testing.TB) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return free.Addr().String()
}

// A planned failover under load. Acknowledged operations are lost only without Options.Replicas.
func TestAFailoverLosesNothingThatReplicasHave(t *testing.T) {
	for _, replicas := range []int{1, 0} {
		t.Run(fmt.Sprintf("Replicas %d", replicas), func(t *testing.T) {
			if replicas == 0 && testing.Short() {
				t.Skip("it only shows what may be lost")
			}
			master := newServer(t, "--appendonly", "no")
			newReplica(t, master)
			address := newSentinel(t, master)
			client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "sessions", SentinelAddrs: []string{address}, ContextTimeoutEnabled: true})
			t.Cleanup(func() { client.Close() })
			store := usher.Must(redisstore.New(client, &redisstore.Options{Replicas: replicas}))
			losses := storetest.RunFailover(t, store, 32, func() {
				sentinel := redis.NewSentinelClient(&redis.Options{Addr: address})
				defer sentinel.Close()
				if err := sentinel.Failover(t.Context(), "sessions").Err(); err != nil {
					t.Errorf("failover: %v", err)
				}
				eventually(t, "there is another master", func() bool {
					now, err := sentinel.GetMasterAddrByName(t.Context(), "sessions").Result()
					return err == nil && net.JoinHostPort(now[0], now[1]) != master.addr
				})
			})
			t.Log(losses)
			if losses.Endings == 0 || losses.Cutoffs == 0 {
				t.Error("nothing was acknowledged")
			}
			if replicas > 0 && losses.LostEndings+losses.LostCutoffs > 0 {
				t.Error("what was acknowledged was lost")
			}
		})
	}
}

// newCluster starts a cluster of two masters, and returns their addresses.
func newCluster(t *testing.T) [2]string {
	t.Helper()
	var addrs [2]string
	var clients [2]*redis.Client
	for i := range addrs {
		s := newServer(t, "--appendonly", "no", "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
		addrs[i], clients[i] = s.addr, newClientOf(t, s)
	}
	ctx := t.Context()
	host, port, _ := net.SplitHostPort(addrs[1])
	err := errors.Join(
		clients[0].ClusterAddSlotsRange(ctx, 0, 8191).Err(), clients[1].ClusterAddSlotsRange(ctx, 8192, 16383).Err(),
		clients[0].ClusterMeet(ctx, host, port).Err())
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range clients {
		eventually(t, "the cluster is complete", func() bool {
			info := client.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:2")
		})
	}
	return addrs
}

// Slots move from one master to the other while clients work, and no operation fails.
func TestAClusterThatMovesSlotsLosesNothing(t *testing.T) {
	addrs := newCluster(t)
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Skip("redis-cli is not installed")
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs[:], ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	store := usher.Must(redisstore.New(client, nil))
	if err := store.Verify(t.Context()); err != nil {
		t.Errorf("Verify: %v", err)
	}
	var ids [2]string
	for i, addr := range addrs {
		node := redis.NewClient(&redis.Options{Addr: addr})
		ids[i] = node.ClusterMyID(t.Context()).Val()
		node.Close()
	}
	losses := storetest.RunFailover(t, store, 16, func() {
		slots := "400"
		if testing.Short() {
			slots = "100"
		}
		out, err := exec.Command(cli, "--cluster", "reshard", addrs[0], "--cluster-from", ids[0], "--cluster-to", ids[1],
			"--cluster-slots", slots, "--cluster-yes").CombinedOutput()
		if err != nil {
			t.Errorf("resharding: %v\n%s", err, out[max(0, len(out)-2000):])
		}
	})
	t.Log(losses)
	if losses.Endings == 0 || losses.LostEndings+losses.LostCutoffs+losses.LoggedOut > 0 {
		t.Error("what was acknowledged was lost")
	}
	if losses.Unavailable > losses.Endings/100 {
		t.Errorf("%d steps failed", losses.Unavailable)
	}
}

// Verify finds what would lose sessions.
func TestVerifyNamesASettingThatLosesSessions(t *testing.T) {
	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "noeviction"} {
		s := newServer(t, "--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", policy)
		err := usher.Must(redisstore.New(newClientOf(t, s), nil)).Verify(t.Context())
		if policy == "noeviction" && err != nil {
			t.Errorf("Verify: %v", err)
		}
		if policy != "noeviction" && (err == nil || !strings.Contains(err.Error(), policy)) {
			t.Errorf("Verify: %v; want a word about %s", err, policy)
		}
	}
}

// A client that ignores contexts is given up in time, so that a retry is not taken for theft.
func TestALostAnswerLeavesTimeForARetryWhateverTheClient(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the 5 seconds of Retry-After")
	}
	m, proxy := behindProxy(t, nil)
	tokens, err := m.Start(t.Context(), "ada", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	if tokens, err = m.Refresh(t.Context(), tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	proxy.Hang()
	began := time.Now()
	if _, err := m.Refresh(t.Context(), tokens.RefreshToken); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("Refresh: %v; want ErrUnavailable", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the client was told after %s", took)
	}
	proxy.Resume()
	<-time.After(5 * time.Second)
	if _, err := m.Refresh(t.Context(), tokens.RefreshToken); err != nil {
		t.Errorf("Refresh after Retry-After: %v", err)
	}
}

// The rights that docs/stores.md lists are enough.
func TestTheDocumentedPrivilegesAreSufficient(t *testing.T) {
	text, err := os.ReadFile("../../docs/stores.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "ACL SETUSER sessions ")
	rights, _, found := strings.Cut(rest, "\n")
	if !found {
		t.Fatal("docs/stores.md has no ACL SETUSER sessions")
	}
	s := newServer(t, "--appendonly", "no")
	args := []any{"ACL", "SETUSER", "sessions"}
	for word := range strings.FieldsSeq(rights) {
		args = append(args, word)
	}
	if err := newClientOf(t, s).Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.addr, Username: "sessions", Password: "secret", ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	if err := usher.Must(redisstore.New(client, nil)).Verify(t.Context()); err != nil {
		t.Errorf("Verify: %v", err)
	}
	m := newManager(t, client, "usher:", func(c *session.Config[usher.Claims]) { c.MaxPerSubject = 1 })
	for range 2 {
		tokens, err := m.Start(t.Context(), "ada", session.About{})
		if err != nil {
			t.Fatal(err)
		}
		_, refreshErr := m.Refresh(t.Context(), tokens.RefreshToken)
		_, listErr := m.List(t.Context(), "ada")
		if err := errors.Join(refreshErr, listErr, m.End(t.Context(), tokens.RefreshToken), m.EndAll(t.Context(), "ada")); err != nil {
			t.Error(err)
		}
	}
	throttle := usher.Must(redisstore.NewThrottle(client, nil, nil))
	taken, _, err := throttle.Reserve(t.Context(), session.Attempt{Kind: session.KindLogin, Account: "ada", Client: "192.0.2.1"})
	if err := errors.Join(err, throttle.Settle(t.Context(), taken, session.Right)); err != nil {
		t.Errorf("Throttle: %v", err)
	}
}
