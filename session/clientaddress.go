package session

import (
	"net/http"
	"net/netip"
	"strings"
)

// remoteAddress returns the address of the connection's peer. Clients can set forwarded headers to anything.
func remoteAddress(r *http.Request) string {
	if peer, ok := parseAddress(r.RemoteAddr); ok {
		return peer.String()
	}
	return r.RemoteAddr
}

// parseAddress parses an IP address with or without a port. Connections and the headers of some proxies have a port,
// which changes with every connection.
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

// network returns the network for which attempts are counted: an IPv4 address, or the /64 of an IPv6 address, which
// usually belongs to one customer.
func network(address string) string {
	addr, ok := parseAddress(address)
	if !ok {
		return address
	}
	if addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64) // can't fail for an IPv6 address
	return prefix.String()
}
