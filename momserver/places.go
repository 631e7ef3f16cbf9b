package momserver

import (
	"container/heap"
	"container/list"
	"net/netip"

	"mom.internal/wire"
)

// places.go decides which connections have a place among Config.MaxConns and
// Config.MaxConnsPerAddr. A connection is unproven until its greeting has
// succeeded. If there is no place for a newcomer, an unproven connection gives
// up its place: the oldest one of the newcomer's address if that address has
// used up its share, or else the oldest one of the address with the most
// unproven connections. A connection that has proven itself keeps its place.

// addrConns are the connections from one address. Server.mu guards its fields.
type addrConns struct {
	count    int
	unproven list.List // of *clientConn, the oldest first
	index    int       // in the heap
	calls    *pace     // of the calls from the address
}

// unprovenHeap has the addresses, those with the most unproven connections
// first, and among equals the one whose connection is oldest.
type unprovenHeap []*addrConns

func (h unprovenHeap) Len() int { return len(h) }

func (h unprovenHeap) Less(i, j int) bool {
	a, b := &h[i].unproven, &h[j].unproven
	if a.Len() != b.Len() || a.Len() == 0 {
		return a.Len() > b.Len()
	}
	return a.Front().Value.(*clientConn).number < b.Front().Value.(*clientConn).number
}

func (h unprovenHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *unprovenHeap) Push(a any) {
	a.(*addrConns).index = len(*h)
	*h = append(*h, a.(*addrConns))
}

func (h *unprovenHeap) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return a
}

// findPlace returns the connection that must give up its place to c, or nil if
// there is a free place. It returns an error if there is none for c. mu is held.
func (s *Server) findPlace(c *clientConn) (*clientConn, *wire.Error) {
	from := s.perAddr[c.addr]
	if c.addr.IsValid() && from != nil && from.count >= s.maxConnsPerAddr {
		if from.unproven.Len() == 0 {
			return nil, wire.Errorf(wire.Full, "momserver: %d connections from your address already (Config.MaxConnsPerAddr)", s.maxConnsPerAddr)
		}
		return from.unproven.Front().Value.(*clientConn), nil
	}
	if !s.full() {
		return nil, nil
	}
	if len(s.byUnproven) == 0 || s.byUnproven[0].unproven.Len() == 0 {
		return nil, wire.Errorf(wire.Full, "momserver: %d connections already (Config.MaxConns)", len(s.conns))
	}
	return s.byUnproven[0].unproven.Front().Value.(*clientConn), nil
}

// full reports whether there is no place for another connection. mu is held.
func (s *Server) full() bool {
	return len(s.conns) >= s.maxConns || len(s.conns)+s.callbacks >= s.maxDescriptors
}

// addPlace gives c a place, as unproven. mu is held.
func (s *Server) addPlace(c *clientConn) {
	s.accepted++
	c.number = s.accepted
	s.conns[c] = struct{}{}
	from := s.perAddr[c.addr]
	if from == nil {
		from = &addrConns{calls: newPace(addrCallRate)}
		s.perAddr[c.addr] = from
		heap.Push(&s.byUnproven, from)
	}
	from.count++
	c.unproven = from.unproven.PushBack(c)
	heap.Fix(&s.byUnproven, from.index)
}

// removePlace frees the place of c, if c has one. mu is held.
func (s *Server) removePlace(c *clientConn) {
	if _, ok := s.conns[c]; !ok {
		return
	}
	s.markProven(c)
	delete(s.conns, c)
	from := s.perAddr[c.addr]
	if from.count--; from.count == 0 {
		delete(s.perAddr, c.addr)
		heap.Remove(&s.byUnproven, from.index)
	}
}

// markProven removes c from the unproven connections. mu is held.
func (s *Server) markProven(c *clientConn) {
	if c.unproven != nil {
		from := s.perAddr[c.addr]
		from.unproven.Remove(c.unproven)
		c.unproven = nil
		heap.Fix(&s.byUnproven, from.index)
	}
}

// descriptorReserve is how many of limit file descriptors are left for
// everything but connections, the mirroring first.
func descriptorReserve(limit int) int { return min(limit/4, 1024) }

// boundByDescriptors lowers the bounds of connections to what the limit of file
// descriptors allows, less the reserve. It returns the limit, and whether that
// has lowered MaxConns. mu is held.
func (s *Server) boundByDescriptors() (limit int, lowered bool) {
	limit = descriptorLimit()
	if limit <= 0 {
		return 0, false
	}
	s.maxDescriptors = max(1, limit-descriptorReserve(limit))
	if s.maxDescriptors >= s.cfg.MaxConns {
		return limit, false
	}
	s.maxConns, s.maxConnsPerAddr = s.maxDescriptors, s.shareOf(s.maxDescriptors)
	return limit, true
}

// callsFrom returns the pace of the calls from an address, or nil if no
// connection from there has a place.
func (s *Server) callsFrom(addr netip.Addr) *pace {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.perAddr[addr]; from != nil {
		return from.calls
	}
	return nil
}
