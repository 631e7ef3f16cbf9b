package momserver

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mom.internal/wire"
)

// removeSubscriber frees the place of a subscriber.
func (s *Server) removeSubscriber(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.subs[sub]; ok {
		delete(s.subs, sub)
		s.countSubs(sub, -1)
	}
}

// addrSubs counts what the subscribers from one address hold of the places that all
// share.
type addrSubs struct{ subscribers, callbacks, filterItems int }

// countSubs counts a subscriber if n is 1, and takes that back if n is -1. mu is
// held.
func (s *Server) countSubs(sub *subscriber, n int) {
	from := s.subsFrom[sub.addrKey]
	from.subscribers += n
	if sub.dialledBack {
		s.callbacks += n
		from.callbacks += n
	}
	s.setSubsFrom(sub.addrKey, from)
}

func (s *Server) setSubsFrom(addr netip.Addr, from addrSubs) {
	if s.subsFrom[addr] = from; from == (addrSubs{}) {
		delete(s.subsFrom, addr)
	}
}

// checkPlaces returns an error if there is no place for the subscriber, in all or
// in the share of its address. The share is MaxConnsPerAddr / MaxConns of all
// places. mu is held.
func (s *Server) checkPlaces(sub *subscriber) *wire.Error {
	full := func(format string, args ...any) *wire.Error {
		return &wire.Error{Code: wire.Full, After: retryAfter, Message: fmt.Sprintf("momserver: "+format, args...)}
	}
	share, from := s.shareOf(s.cfg.MaxSubscribers), s.subsFrom[sub.addrKey]
	switch {
	case len(s.subs) >= s.cfg.MaxSubscribers:
		return full("%d subscribers already (Config.MaxSubscribers)", s.cfg.MaxSubscribers)
	case sub.addrKey.IsValid() && from.subscribers >= share:
		return full("%d subscribers from your address already (the share of one address in Config.MaxSubscribers; see Config.MaxConnsPerAddr)", share)
	case !sub.dialledBack:
	case len(s.conns)+s.callbacks >= s.maxDescriptors:
		return full("no file descriptor is left for a callback connection")
	case s.maxDescriptors < math.MaxInt && sub.addrKey.IsValid() && s.perAddr[sub.addrKey].held(from) >= s.shareOf(s.maxDescriptors):
		return full("no file descriptor is left for a callback connection to your address")
	}
	return nil
}

// held returns how many descriptors the connections and the callback connections of
// an address hold.
func (a *addrConns) held(subs addrSubs) int {
	if a == nil {
		return subs.callbacks
	}
	return a.count + subs.callbacks
}

// shareOf returns how many of n places one address may hold.
func (s *Server) shareOf(n int) int {
	share := min(1, float64(s.cfg.MaxConnsPerAddr)/float64(s.cfg.MaxConns))
	return int(math.Ceil(share * float64(n)))
}

// itemsOf returns the number of items of a filter for Config.MaxFilterItems. A long
// name counts as several, because its client chooses its length.
func itemsOf(f *wire.Filter) int {
	n := len(f.Jobs) + len(f.Names)
	for _, name := range f.Names {
		n += len(name) / 64
	}
	return n
}

// releaseFilter takes back the count of a subscriber's filter, when the connection
// has ended or the subscription was refused.
func (s *Server) releaseFilter(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countFilter(sub, -sub.filterItems)
}

// filterFits reports whether the filter of the subscriber fits the bounds of all
// filters and of those from its address, which has room for one filter at least.
// mu is held.
func (s *Server) filterFits(sub *subscriber) bool {
	share := max(s.cfg.MaxFilterItems/4, 2*wire.MaxFilterItems+s.cfg.MaxMessage/64)
	return sub.filterItems == 0 || s.filterItems+sub.filterItems <= s.cfg.MaxFilterItems && s.subsFrom[sub.addrKey].filterItems+sub.filterItems <= share
}

// countFilter adds n to the jobs that the filters name, in all and of the
// subscriber's address. mu is held.
func (s *Server) countFilter(sub *subscriber, n int) {
	s.filterItems += n
	from := s.subsFrom[sub.addrKey]
	from.filterItems += n
	s.setSubsFrom(sub.addrKey, from)
}

// endSubscription records the end of a subscription, and ends its connections.
// The sender calls it.
func (s *Server) endSubscription(sub *subscriber, why Reason, detail string) {
	info := sub.info(s.hist.Head(), s.sender.scannedNext.Load())
	// The drop is recorded first, so that a program that no longer finds the
	// subscriber in Stats finds its drop there.
	s.drops.add(Drop{Time: time.Now(), Name: sub.name, Addr: sub.addr, Reason: why, Detail: detail, Lag: info.Lag})
	s.removeSubscriber(sub)
	s.cfg.Logger.Info("momserver: subscriber dropped", "name", sub.name, "addr", sub.addr, "reason", why.String(), "detail", detail, "lag", info.Lag)
	end := wire.Errorf(wire.Closed, "%s", detail)
	if sub.callbackConn != sub.conn {
		sub.callbackConn.Close(end)
	}
	if why != ReasonUnsubscribed { // that client closes the connection when it has the reply
		sub.conn.Close(end)
	}
}

// SubscriberInfo is how one subscription stands.
type SubscriberInfo struct {
	Name      string        // as the client gives it; it may be empty, and need not be unique
	Identity  string        // Grant.Identity, or else the name in its client certificate; "" for none
	Addr      string        // host:port of the connection that it subscribed on
	Callback  string        // host:port of its callback endpoint if the server dialled back; "" otherwise
	Since     time.Time     // when it asked for the subscription
	Next      uint64        // Seq of the next event to send
	Lag       uint64        // published events that have not been sent, including those that its filter leaves out
	Credit    uint64        // events that the client still allows to be sent
	Delivered uint64        // events sent
	Missed    uint64        // events that left the cache before they could be sent
	InFlight  int           // unanswered calls; at most Config.Window
	RTT       time.Duration // from the latest answered call to its reply; 0 before the first
}

// label returns how a sentence names a client.
func label(name, addr string) string {
	if name == "" {
		return addr
	}
	return fmt.Sprintf("%q (%s)", name, addr)
}

// Subscribers returns the subscribers, sorted by their names and addresses.
func (s *Server) Subscribers() []SubscriberInfo {
	if s == nil {
		return nil
	}
	head, looked := s.hist.Head(), s.sender.scannedNext.Load()
	s.mu.Lock()
	all := make([]SubscriberInfo, 0, len(s.subs))
	for sub, accepted := range s.subs {
		if accepted {
			all = append(all, sub.info(head, looked))
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b SubscriberInfo) int {
		return strings.Compare(a.Name+"\x00"+a.Addr, b.Name+"\x00"+b.Addr)
	})
	return all
}
