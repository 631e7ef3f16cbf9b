package momserver_test

import (
	"context"
	"errors"
	"io"
	"net"
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

// dialRaw connects to a real server, and closes with the test.
func dialRaw(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// knock greets a real server and returns what it says; the connection stays.
func knock(t *testing.T, addr, token string) error {
	t.Helper()
	_, err := protocol.Greet(dialRaw(t, addr), token, 10*time.Second)
	return err
}

// TestCaps holds each bound of connections at the limit and one past it, with
// its code and the name of its setting.
func TestCaps(t *testing.T) {
	for _, tc := range []struct {
		cfg  momserver.Config
		is   error
		name string
	}{
		{momserver.Config{MaxConns: 3, MaxConnsPerAddr: 3}, wire.Full, "Config.MaxConnsPerAddr)"},
		{momserver.Config{MaxConns: 5}, wire.Full, "Config.MaxConnsPerAddr)"}, // half of them, rounded up
		{momserver.Config{MaxConns: 3, MaxConnsPerAddr: 4}, wire.Full, "Config.MaxConns)"},
		{momserver.Config{GreetingsPerSecond: 6}, wire.Busy, "half of Config.GreetingsPerSecond"},
	} {
		_, addr := loopback(t, tc.cfg)
		for range 3 {
			if err := knock(t, addr, ""); err != nil {
				t.Errorf("%s: within: %v", tc.name, err)
			}
		}
		err := knock(t, addr, "")
		var e *wire.Error
		if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.name) || !errors.As(err, &e) || e.After != time.Second || e.Final() {
			t.Errorf("%s: over: %v", tc.name, err)
		}
	}
	_, addr := loopback(t, momserver.Config{MaxSubscribers: 1})
	for i, is := range []error{nil, wire.Full} {
		c := momclient.New(addr, momclient.Options{})
		defer c.Close()
		if err := c.Subscribe(context.Background()); !errors.Is(err, is) || err != nil && !strings.Contains(err.Error(), "Config.MaxSubscribers") {
			t.Errorf("subscriber %d: %v", i, err)
		}
	}
}

// TestGreetingsOfTheProven: a client with the right token is let in, however
// many came before it.
func TestGreetingsOfTheProven(t *testing.T) {
	_, addr := loopback(t, momserver.Config{GreetingsPerSecond: 1, Token: "right"})
	for range 5 {
		if err := knock(t, addr, "right"); err != nil {
			t.Error(err)
		}
	}
}

// TestGreetingsPerSecond come back with time, exactly.
func TestGreetingsPerSecond(t *testing.T) {
	harness.Serve(t, momserver.Config{GreetingsPerSecond: 4}, func(s *harness.Server) {
		greet := func() error {
			nc := s.Dial()
			defer nc.Close()
			_, err := protocol.Greet(nc, "", time.Second)
			return err
		}
		expect := func(ok bool) {
			t.Helper()
			if err := greet(); ok != (err == nil) || err != nil && !errors.Is(err, wire.Busy) {
				t.Errorf("%v", err)
			}
		}
		for range 4 {
			expect(true)
		}
		expect(false)
		time.Sleep(time.Second/4 - 1)
		expect(false)
		time.Sleep(time.Nanosecond)
		expect(true)
		expect(false)
	})
}

// TestFailuresPerMinute: an address that fails too often is slowed down until
// the minute is over: 5 ms lie between two greetings, and no greeting waits for
// more than half a second. The right token gets in all the while, and another
// address does not wait.
func TestFailuresPerMinute(t *testing.T) {
	harness.Serve(t, momserver.Config{FailuresPerMinute: 3, Token: "right", MaxConns: 1000, MaxConnsPerAddr: 500}, func(s *harness.Server) {
		greet := func(from, token string) (time.Duration, error) {
			nc := s.DialFrom(from)
			defer nc.Close()
			start := time.Now()
			_, err := protocol.Greet(nc, token, 10*time.Second)
			return time.Since(start), err
		}
		for range 3 {
			if took, err := greet("10.0.0.1", "wrong"); !wire.IsFinal(err) || took != 0 {
				t.Errorf("within: %v after %v", err, took)
			}
		}
		for range 150 {
			go greet("10.0.0.1", "wrong")
		}
		synctest.Wait()
		if took, err := greet("10.0.0.1", "right"); err != nil || took != 500*time.Millisecond {
			t.Errorf("behind 150 failures: %v after %v", err, took)
		}
		if took, err := greet("10.0.0.2", "right"); err != nil || took != 0 {
			t.Errorf("from elsewhere: %v after %v", err, took)
		}
		time.Sleep(time.Second)
		for i, want := range []time.Duration{0, 5 * time.Millisecond} {
			go greet("10.0.0.1", "wrong")
			synctest.Wait()
			time.Sleep(time.Duration(i)) // so that not both are due at once
			if took, err := greet("10.0.0.1", "right"); err != nil || took != 5*time.Millisecond-time.Duration(i) {
				t.Errorf("behind one failure, %d: %v after %v; want %v", i, err, took, want)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		go greet("10.0.0.1", "wrong")
		synctest.Wait()
		if took, err := greet("10.0.0.1", "right"); err != nil || took != 0 {
			t.Errorf("when the minute is over: %v after %v", err, took)
		}
	})
}

// TestRightTokenGetsIn: 10,000 connections from an address that fail, one after
// the other and at once, keep a client behind the same address out for half a
// second at most.
func TestRightTokenGetsIn(t *testing.T) {
	harness.Serve(t, momserver.Config{Token: "right"}, func(s *harness.Server) {
		check := func(name string) {
			t.Helper()
			start := time.Now()
			nc := s.DialFrom("10.0.0.1")
			defer nc.Close()
			if _, err := protocol.Greet(nc, "right", 10*time.Second); err != nil || time.Since(start) > 500*time.Millisecond {
				t.Errorf("behind those who %s: %v after %v", name, err, time.Since(start))
			}
		}
		var silent []net.Conn
		for range 10_000 {
			silent = append(silent, s.DialFrom("10.0.0.1"))
		}
		synctest.Wait()
		if n := s.Stats().Connections; n != 6000 {
			t.Errorf("%d silent connections", n)
		}
		check("say nothing")
		for _, nc := range silent {
			nc.Close()
		}
		check("hung up")
		for range 10_000 {
			nc := s.DialFrom("10.0.0.1")
			go func() {
				protocol.Greet(nc, "wrong", time.Second)
				nc.Close()
			}()
		}
		check("bring a wrong token")
	})
}

// TestWhatFails counts whatever ends before its greeting has succeeded.
func TestWhatFails(t *testing.T) {
	for name, says := range map[string]string{
		"nothing, and hangs up": "",
		"half a greeting":       "MoM\x01\x01",
		"HTTP":                  "GET / HTTP/1.1\r\n\r\n",
		"another version":       "MoM\x01\x09\x00\x00",
		"TLS at a plain port":   "\x16\x03\x01\x00\x05hello",
	} {
		harness.Serve(t, momserver.Config{FailuresPerMinute: 1}, func(s *harness.Server) {
			nc := s.DialFrom("10.0.0.1")
			io.WriteString(nc, says)
			nc.Close()
			synctest.Wait()
			for i, want := range []time.Duration{0, 5 * time.Millisecond} {
				nc, start := s.DialFrom("10.0.0.1"), time.Now()
				defer nc.Close()
				if _, err := protocol.Greet(nc, "", time.Second); err != nil || time.Since(start) != want {
					t.Errorf("%s: greeting %d afterwards: %v after %v; want %v", name, i, err, time.Since(start), want)
				}
			}
		})
	}
}

// TestRefusalsAreBounded: those that there is no room for are told so, but not
// more than so many in a second; over that they are closed without a word.
func TestRefusalsAreBounded(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxConns: 1}, func(s *harness.Server) {
		s.Greeted()
		told, closed := 0, 0
		for range 150 {
			nc := s.Dial()
			_, err := protocol.Greet(nc, "", time.Second)
			nc.Close()
			switch {
			case errors.Is(err, wire.Full):
				told++
			case errors.Is(err, wire.Lost):
				closed++
			default:
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if told != 100 || closed != 50 {
			t.Errorf("%d were told, %d closed", told, closed)
		}
	})
}

// TestBounds refuses over each bound with its name, and takes the client in
// when there is room.
func TestBounds(t *testing.T) {
	for _, test := range []struct {
		bound string
		cfg   momserver.Config
	}{
		{"MaxSubscribers", momserver.Config{MaxSubscribers: 2}},
		{"MaxConns", momserver.Config{MaxConns: 2}},
	} {
		harness.Serve(t, test.cfg, func(s *harness.Server) {
			first := s.Subscribed(momclient.Options{})
			s.Subscribed(momclient.Options{})
			third := s.Client(momclient.Options{})
			err := third.Subscribe(context.Background())
			if !errors.Is(err, wire.Full) || !strings.Contains(err.Error(), test.bound) {
				t.Errorf("the third: %v", err)
			}
			first.Unsubscribe()
			synctest.Wait()
			if err := third.Subscribe(context.Background()); err != nil {
				t.Errorf("the third, with room: %v", err)
			}
		})
	}
}

// TestToken refuses a wrong token for good, before gob.
func TestToken(t *testing.T) {
	harness.Serve(t, momserver.Config{Token: "open sesame"}, func(s *harness.Server) {
		for _, token := range []string{"", "open sesam", "open sesame!", strings.Repeat("x", wire.MaxTokenBytes)} {
			c := s.Client(momclient.Options{Token: token, AutoReconnect: true})
			if err := c.Subscribe(context.Background()); !errors.Is(err, wire.Unauthorized) {
				t.Errorf("token %.20q: %v", token, err)
			}
		}
		s.Subscribed(momclient.Options{Token: "open sesame"})
	})
}

// TestIdle closes a connection that asks for nothing, at IdleTimeout.
func TestIdle(t *testing.T) {
	log := new(logged)
	harness.Serve(t, momserver.Config{IdleTimeout: 10 * time.Second, Logger: log.logger()}, func(s *harness.Server) {
		nc := s.Greeted()
		conn := duplex.NewConn(nc, harness.LongTimes)
		go conn.Serve("", nil)
		time.Sleep(4 * time.Second)
		if err := conn.Call(context.Background(), protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		if conn.Err() != nil {
			t.Errorf("too early: %v", conn.Err())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if conn.Err() == nil {
			t.Error("still open")
		}
		conn.Wait()
		if !strings.Contains(log.String(), "(Config.IdleTimeout)") {
			t.Errorf("the log does not say why: %s", log)
		}
	})
}

// TestStalledMessage drops a subscriber that begins a message and does not end
// it, and says that it was that and not a write.
func TestStalledMessage(t *testing.T) {
	harness.Serve(t, momserver.Config{MessageTimeout: 2 * time.Second}, func(s *harness.Server) {
		nc := s.Greeted()
		conn := duplex.NewConn(nc, harness.LongTimes)
		go conn.Serve(protocol.CallbackService, &rawClient{room: 1 << 20})
		if err := conn.Call(context.Background(), protocol.MethodSubscribe, &protocol.SubscribeArgs{Name: "stalled", Credit: protocol.Credit{Events: 100, Bytes: 1 << 40}}, &protocol.Subscribed{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		nc.Write([]byte{1, 0})
		time.Sleep(2*time.Second - time.Nanosecond)
		synctest.Wait()
		if n := len(s.Subscribers()); n != 1 {
			t.Fatalf("%d subscribers too early", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if st := s.Stats(); st.Drops[momserver.ReasonStalled] != 1 || !strings.Contains(st.Dropped[0].Detail, "(Config.MessageTimeout)") {
			t.Errorf("drops: %v, %+v", st.Drops, st.Dropped)
		}
		conn.Wait()
	})
}
