package momserver_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/harness"
)

// faulty is a world whose client is behind a link that fails.
func faulty(t *testing.T, cfg momserver.Config, opts momclient.Options, test func(s *harness.Server, link *faultnet.Link, c *harness.Client)) {
	harness.Serve(t, cfg, func(s *harness.Server) {
		var net faultnet.Network
		l, err := net.Listen(harness.MemAddr)
		if err != nil {
			t.Fatal(err)
		}
		go s.Serve(l)
		link := net.Link("client", faultnet.Shape{Latency: time.Millisecond, Buffer: 64 << 10, Grid: time.Millisecond}, 1)
		opts.DialContext = link.DialContext
		c := s.Client(opts)
		defer c.Close()
		c.MustSubscribe()
		test(s, link, c)
	})
}

// TestVanished cuts the way between a server and its subscriber, either way or
// both, silently: each notices within what is promised, idle or not.
func TestVanished(t *testing.T) {
	for _, tc := range []struct {
		cfg    momserver.Config
		notice time.Duration
	}{
		{momserver.Config{}, 10 * time.Second},
		{momserver.Config{Heartbeat: 400 * time.Millisecond, CallTimeout: time.Second}, 2 * time.Second},
	} {
		for ways, blocked := range map[string][]faultnet.Way{"both": {faultnet.Up, faultnet.Down}, "up": {faultnet.Up}, "down": {faultnet.Down}} {
			for _, busy := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%s/busy %v", tc.notice, ways, busy), func(t *testing.T) {
					faulty(t, tc.cfg, momclient.Options{}, func(s *harness.Server, link *faultnet.Link, c *harness.Client) {
						// The worst instant is just after an answer.
						time.Sleep(7*time.Second + 50*time.Millisecond)
						start := time.Now()
						for _, way := range blocked {
							link.Block(way)
						}
						var dropped, lost time.Duration
						for time.Since(start) < tc.notice {
							if busy {
								s.PublishN(1)
							}
							time.Sleep(10 * time.Millisecond)
							synctest.Wait()
							if dropped == 0 && len(s.Subscribers()) == 0 {
								dropped = time.Since(start)
							}
							if lost == 0 && strings.HasSuffix(c.Statuses(), "lost") {
								lost = time.Since(start)
							}
						}
						if dropped == 0 || lost == 0 {
							t.Errorf("after %v: dropped after %v, lost after %v; 0 is not yet", tc.notice, dropped, lost)
						}
						st := s.Stats()
						if st.Drops[momserver.ReasonCallTimeout]+st.Drops[momserver.ReasonConnectionLost] != 1 {
							t.Errorf("dropped for %v", st.Drops)
						}
						t.Logf("dropped after %v, lost after %v", dropped, lost)
					})
				})
			}
		}
	}
}

// TestTwoDays has a client be away for two days, while more is published than
// the cache holds: when the link has healed it is back within a Period and an
// attempt, and is told of all that it has missed.
func TestTwoDays(t *testing.T) {
	opts := momclient.Options{AutoReconnect: true, Period: 4 * time.Second}
	faulty(t, momserver.Config{CacheEvents: 100}, opts, func(s *harness.Server, link *faultnet.Link, c *harness.Client) {
		s.PublishN(10)
		time.Sleep(time.Second)
		link.Block(faultnet.Up)
		link.Block(faultnet.Down)
		for range 48 {
			s.PublishN(10)
			time.Sleep(time.Hour)
		}
		link.Heal()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		sum := c.Told()
		if sum.Missed != 380 || sum.Fresh != 110 || sum.Last != 490 || sum.Gaps != 1 {
			t.Errorf("it was told %+v", sum)
		}
		if n := len(s.Subscribers()); n != 1 {
			t.Errorf("%d subscribers", n)
		}
	})
}
