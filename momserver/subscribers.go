package momserver

import (
	"fmt"
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
		if sub.dialledBack {
			s.callbacks--
		}
		s.countFilter(sub, -sub.filterItems)
	}
}

// filterFits reports whether the filter of the subscriber fits the bounds of all
// filters and of those from its address, which has room for one filter at least.
// mu is held.
func (s *Server) filterFits(sub *subscriber) bool {
	share := max(s.cfg.MaxFilterItems/4, 2*wire.MaxFilterItems)
	return sub.filterItems == 0 || s.filterItems+sub.filterItems <= s.cfg.MaxFilterItems && s.filterItemsPer[sub.addrKey]+sub.filterItems <= share
}

// countFilter adds n to the jobs that the filters name, in all and of the
// subscriber's address. mu is held.
func (s *Server) countFilter(sub *subscriber, n int) {
	s.filterItems += n
	if s.filterItemsPer[sub.addrKey] += n; s.filterItemsPer[sub.addrKey] == 0 {
		delete(s.filterItemsPer, sub.addrKey)
	}
}

// endSubscription records the end of a subscription, and ends its connections.
// The sender calls it.
func (s *Server) endSubscription(sub *subscriber, why Reason, detail string) {
	info := sub.info(s.hist.Head(), s.sender.scannedNext.Load())
	s.removeSubscriber(sub)
	s.drops.add(Drop{Time: time.Now(), Name: sub.name, Addr: sub.addr, Reason: why, Detail: detail, Lag: info.Lag})
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
