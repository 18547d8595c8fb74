package session

import (
	"net/http"
	"net/netip"
	"strings"
)

// remoteAddress is the peer of the connection: forwarded headers are whatever the client likes.
func remoteAddress(r *http.Request) string {
	if peer, ok := parseAddress(r.RemoteAddr); ok {
		return peer.String()
	}
	return r.RemoteAddr
}

// parseAddress takes an IP address, with or without the port that connections and the headers of some proxies
// have: each new connection has another.
func parseAddress(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		peer, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = peer.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// network is what attempts count for: the address, or for IPv6 its /64, which is what one customer has.
func network(address string) string {
	addr, ok := parseAddress(address)
	if !ok {
		return address
	}
	if addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64) // fails for more bits than the address has
	return prefix.String()
}
