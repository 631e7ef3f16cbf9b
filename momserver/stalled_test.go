package momserver_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// TestStalledMessage drops a subscriber that begins a message and does not end
// it, and says that it was that and not a write.
func TestStalledMessage(t *testing.T) {
	harness.Serve(t, momserver.Config{MessageTimeout: 2 * time.Second}, func(s *harness.Server) {
		nc := s.Greeted()
		conn := duplex.NewConn(nc, harness.LongTimes)
		go conn.Serve(protocol.CallbackService, &answering{})
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

// answering answers at once.
type answering struct{}

func (*answering) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	*ack = protocol.Ack{Events: 1 << 20, Bytes: 1 << 40}
	return nil
}
