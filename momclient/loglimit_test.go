package momclient_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
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

// TestLogOfPanics: a handler that panics at every event writes 100 lines at once,
// and then one a second, each with the number of those left out before it.
func TestLogOfPanics(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		var text bytes.Buffer
		c := s.Client(momclient.Options{Logger: slog.New(slog.NewTextHandler(&text, nil))})
		c.OnEvent(func(wire.Event) { panic("ouch") })
		c.MustSubscribe()
		for second, want := range []struct{ lines, leftOut int }{{100, 0}, {1, 900}, {1, 999}, {3, 999}} {
			text.Reset()
			switch second {
			case 3: // as many as have come back
				time.Sleep(3 * time.Second)
			case 1, 2:
				time.Sleep(time.Second)
			}
			s.PublishN(1000)
			synctest.Wait()
			said := text.String()
			if n := strings.Count(said, "panicked"); n != want.lines || strings.Contains(said, "left out") != (want.leftOut > 0) ||
				want.leftOut > 0 && !strings.Contains(said, fmt.Sprintf(`"left out"=%d`, want.leftOut)) {
				t.Errorf("second %d: %d lines, with %q left out; want %+v", second, n, attr(said), want)
			}
		}
	})
}

// attr returns the first number of lines that were left out.
func attr(said string) string {
	_, n, _ := strings.Cut(said, `"left out"=`)
	n, _, _ = strings.Cut(n, "\n")
	return n
}

// rejecting is a server that accepts each subscription, says goodbye as often as it
// may, and ends the connection at once.
type rejecting struct{ conn *duplex.Conn }

func (r *rejecting) Subscribe(*protocol.SubscribeArgs, *protocol.Subscribed) error {
	time.AfterFunc(5*time.Millisecond, func() {
		for range 10 {
			r.conn.Client().Go(protocol.MethodGoodbye, &protocol.Goodbye{Code: wire.Draining, Message: strings.Repeat("x", 600)}, &protocol.Nothing{}, nil)
		}
		time.Sleep(time.Microsecond)
		r.conn.Close(wire.Errorf(wire.Closed, "again"))
	})
	return nil
}

func (r *rejecting) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error { return nil }

// TestServerThatRejects: a server that accepts and disconnects in a tight loop
// causes as few attempts as one that is not there, at most six statuses for each,
// and few lines in the log, whether the client or the application subscribes again.
func TestServerThatRejects(t *testing.T) {
	for _, auto := range []bool{true, false} {
		harness.Bubble(t, func(s *harness.Server) {
			s.PlayService(func(conn *duplex.Conn) any { return &rejecting{conn} })
			var text bytes.Buffer
			c := momclient.New(harness.MemAddr, momclient.Options{AutoReconnect: auto, DialContext: s.Net.DialContext, Logger: slog.New(slog.NewTextHandler(&text, nil))})
			kinds := make(map[momclient.ConnectionKind]int)
			all := 0
			ended := make(chan bool, 1)
			c.OnConnection(func(st momclient.ConnectionStatus) {
				all++
				if kinds[st.Kind]++; st.Kind == momclient.Lost && !auto {
					ended <- true
				}
			})
			start := time.Now()
			if auto {
				c.Subscribe(context.Background())
				time.Sleep(time.Hour)
			}
			for !auto && time.Since(start) < 10*time.Second {
				c.Subscribe(context.Background())
				<-ended
			}
			synctest.Wait()
			attempts, lines := kinds[momclient.Connecting], strings.Count(text.String(), "\n")
			if auto && (attempts < 180 || attempts > 370) { // the wait is 10 to 20 s, but for the first few
				t.Errorf("%d attempts in an hour", attempts)
			}
			if all > 6*attempts || kinds[momclient.Draining] != attempts {
				t.Errorf("%d attempts: %v", attempts, kinds)
			}
			most := 100 + int(time.Since(start)/time.Second)
			if lines > most || !auto && (attempts < 1000 || lines < most-1 || !strings.Contains(text.String(), "left out")) || len(text.String()) > 1500*lines {
				t.Errorf("auto %v: %d lines of %d bytes, %d at most, in %d attempts", auto, lines, text.Len(), most, attempts)
			}
			t.Logf("auto %v: %d attempts, %v, %d lines", auto, attempts, kinds, lines)
			c.Close()
			time.Sleep(time.Second)
		})
	}
}
