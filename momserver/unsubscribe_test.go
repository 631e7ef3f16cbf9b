package momserver_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// acker is a callback endpoint that takes everything.
type acker struct{}

func (acker) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	*ack = protocol.Ack{Events: 1 << 20, Bytes: 1 << 40}
	return nil
}

func (acker) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// TestUnsubscribe answers before anything else happens to the connection,
// which is idle from there on and cannot subscribe again.
func TestUnsubscribe(t *testing.T) {
	harness.Serve(t, momserver.Config{IdleTimeout: 10 * time.Second}, func(s *harness.Server) {
		conn := s.Peer()
		go conn.Serve(protocol.CallbackService, acker{})
		call := func(method string, args, reply any) error {
			return conn.Call(context.Background(), method, args, reply)
		}
		if err := call(protocol.MethodSubscribe, &protocol.SubscribeArgs{Credit: protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}}, &protocol.Subscribed{}); err != nil {
			t.Fatal(err)
		}
		s.PublishN(3)
		time.Sleep(time.Minute) // with a subscription it is not idle
		if err := call(protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{}); err != nil {
			t.Fatalf("unanswered: %v", err)
		}
		synctest.Wait()
		if n := s.Stats().Subscribers; n != 0 {
			t.Errorf("%d subscribers", n)
		}
		if err := call(protocol.MethodSubscribe, &protocol.SubscribeArgs{}, &protocol.Subscribed{}); !errors.Is(err, wire.AlreadySubscribed) {
			t.Errorf("subscribed again: %v", err)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		if conn.Err() != nil {
			t.Errorf("closed too early: %v", conn.Err())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if conn.Err() == nil {
			t.Error("still open")
		}
		conn.Wait()
	})
}
