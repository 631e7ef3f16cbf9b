package momserver_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// TestDisconnect ends the connections that match, subscribed or not. Each
// subscriber is told why, and Stats has the reason; the others notice nothing.
func TestDisconnect(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		ends := make(chan string, 10)
		for _, name := range []string{"stays", "goes", "goes too"} {
			c := s.Client(momclient.Options{Name: name})
			c.OnConnection(func(st momclient.ConnectionStatus) {
				if st.Err != nil {
					ends <- name + ": " + st.String()
				}
			})
			c.MustSubscribe()
		}
		idle := duplex.NewConn(s.Greeted(), harness.LongTimes)
		go idle.Serve("", nil)
		s.PublishN(1)
		synctest.Wait()
		idleOnes := 0
		n := s.Disconnect(func(i momserver.SubscriberInfo) bool {
			if i.Since.IsZero() {
				idleOnes++
			}
			return i.Name != "stays"
		}, "maintenance of the network")
		time.Sleep(time.Second) // clients hold their answers back for a moment
		synctest.Wait()
		st := s.Stats()
		if n != 3 || idleOnes != 1 || st.Subscribers != 1 || st.Connections != 1 || st.Drops[momserver.ReasonDisconnected] != 2 || len(st.Drops) != 1 || st.Dropped[0].Detail != "maintenance of the network" {
			t.Errorf("%d disconnected, %d of them idle; left are %d of %d; dropped %+v", n, idleOnes, st.Subscribers, st.Connections, st.Dropped)
		}
		if len(ends) != 2 {
			t.Errorf("%d were told", len(ends))
		}
		for range len(ends) {
			if told := <-ends; strings.HasPrefix(told, "stays") || !strings.HasSuffix(told, ": lost: maintenance of the network") {
				t.Errorf("told %q", told)
			}
		}
		if idle.Err() == nil {
			t.Error("the connection without a subscription is open")
		}
		s.PublishN(1)
		synctest.Wait()
		if told := s.Clients[0].Told(); told.Fresh != 2 {
			t.Errorf("the one that stays was told %+v", told)
		}
		idle.Wait()
	})
}

// TestDisconnectedComesBack: being disconnected is not final, so that a client
// with AutoReconnect comes back and misses nothing. If its token is not right any
// more, it is refused for good.
func TestDisconnectedComesBack(t *testing.T) {
	right := "old"
	cfg := momserver.Config{Authorize: func(_ context.Context, a momserver.Applicant) (momserver.Grant, error) {
		if a.Token != right {
			return momserver.Grant{}, wire.Unauthorized
		}
		return momserver.Grant{AllJobs: true}, nil
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{Token: "old", AutoReconnect: true})
		everyone := func(momserver.SubscriberInfo) bool { return true }
		s.PublishN(2)
		s.Disconnect(everyone, "once")
		s.PublishN(2)
		time.Sleep(time.Minute)
		if told := c.Told(); told.Fresh != 4 || told.Missed != 0 {
			t.Errorf("told %+v", told)
		}
		c.Statuses()
		right = "new"
		s.Disconnect(everyone, "the token has changed")
		time.Sleep(time.Minute)
		if got := c.Statuses(); got != "lost reconnecting connecting refused(true)" {
			t.Errorf("statuses %s", got)
		}
	})
}

// TestDisconnectMeanwhile: a client that is being authorized while Disconnect is
// called is authorized again.
func TestDisconnectMeanwhile(t *testing.T) {
	asked := 0
	var answer chan error
	cfg := momserver.Config{Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
		asked++
		return momserver.Grant{}, <-answer
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		answer = make(chan error)
		greeted := make(chan error)
		nc := s.Dial()
		defer nc.Close()
		go func() {
			_, err := protocol.Greet(nc, "", time.Minute)
			greeted <- err
		}()
		synctest.Wait()
		s.Disconnect(func(momserver.SubscriberInfo) bool { return true }, "")
		answer <- nil
		answer <- wire.Unauthorized
		if err := <-greeted; !errors.Is(err, wire.Unauthorized) || asked != 2 {
			t.Errorf("asked %d times: %v", asked, err)
		}
	})
}

// TestDisconnectWithoutGoodwill: a client that answers nothing gets no event after
// Disconnect. It is dropped with the reason of Disconnect: when its oldest call
// times out or, if its window is closed, at once.
func TestDisconnectWithoutGoodwill(t *testing.T) {
	for window, lasts := range map[int]time.Duration{0: 5 * time.Second, 1: 0} {
		harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second, Window: window}, func(s *harness.Server) {
			client := &rawClient{delay: time.Minute}
			conn := subscribe(s, client, protocol.SubscribeArgs{Credit: protocol.Credit{Events: 100, Bytes: 1 << 40}})
			synctest.Wait()
			s.Disconnect(func(momserver.SubscriberInfo) bool { return true }, "gone")
			s.PublishN(1)
			synctest.Wait()
			if lasts > 0 {
				time.Sleep(lasts - time.Nanosecond)
				synctest.Wait()
				if n := s.Stats().Subscribers; n != 1 {
					t.Errorf("%d subscribers before the timeout", n)
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
			}
			if st := s.Stats(); st.Drops[momserver.ReasonDisconnected] != 1 || st.Subscribers != 0 || st.Delivered != 0 || st.Dropped[0].Detail != "gone" {
				t.Errorf("window %d: %d events delivered, dropped %+v", window, st.Delivered, st.Dropped)
			}
			conn.Wait()
		})
	}
}

// TestGrantExpires: the connection ends at the time to the nanosecond. The
// subscriber is told so, and comes back if Authorize lets it in again.
func TestGrantExpires(t *testing.T) {
	const lasts = time.Hour + time.Second
	asked := 0
	cfg := momserver.Config{Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
		if asked++; asked > 2 {
			return momserver.Grant{Expires: time.Now()}, nil
		}
		return momserver.Grant{AllJobs: true, Expires: time.Now().Add(lasts)}, nil
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		var ends []error
		c := s.Client(momclient.Options{AutoReconnect: true})
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Lost {
				ends = append(ends, st.Err)
			}
		})
		c.MustSubscribe()
		s.PublishN(1)
		time.Sleep(lasts - time.Nanosecond)
		if n := s.Stats().Subscribers; n != 1 {
			t.Errorf("%d subscribers, a nanosecond before", n)
		}
		s.PublishN(1)
		synctest.Wait()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		s.PublishN(1)                      // which comes after the reconnect
		time.Sleep(100 * time.Millisecond) // clients hold their answers back for a moment
		synctest.Wait()
		if st := s.Stats(); st.Delivered != 2 || st.Subscribers != 0 || st.Drops[momserver.ReasonExpired] != 1 || len(ends) != 1 || !errors.Is(ends[0], wire.Expired) || wire.IsFinal(ends[0]) {
			t.Errorf("%d subscribers at the time; %d events delivered, dropped %v, told %v", st.Subscribers, st.Delivered, st.Drops, ends)
		}
		time.Sleep(time.Minute)
		if told := c.Told(); told.Fresh != 3 || told.Missed != 0 {
			t.Errorf("told %+v", told)
		}
		c.Statuses()
		time.Sleep(2 * time.Hour)
		if got := c.Statuses(); asked != 3 || got != "lost reconnecting connecting refused(true)" {
			t.Errorf("asked %d times; statuses %s", asked, got)
		}
	})
}
