package protocol

import (
	"net/rpc"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/attack"
)

// TestGobStreams holds the protocol's own streams to what is said of them.
func TestGobStreams(t *testing.T) {
	full := SubscribeArgs{
		Name: "n", From: wire.FromCursor, Cursor: wire.Cursor{Epoch: uuid.UUID{1}, Seq: 1}, Renew: true, Credit: Credit{1, 1}, CallbackAddr: "h:1", Ticket: []byte{1},
		Filter: wire.Filter{Jobs: []uuid.UUID{{1}}, Names: []string{"n"}, States: []wire.State{1}, Severity: 1, Outcomes: []wire.Outcome{1}},
	}
	for name, stream := range map[string][]byte{
		"a client's calls":   attack.Encode(&rpc.Request{}, &full, &Nothing{}, &Credit{}, &HistoryArgs{}, &JobsArgs{}),
		"a server's replies": attack.Encode(&rpc.Response{}, &Subscribed{}, &Nothing{}, &Page{}),
		"a server's calls":   attack.Encode(&rpc.Request{}, &Batch{}, &Goodbye{}),
		"a client's replies": attack.Encode(&rpc.Response{}, &Ack{}, &Nothing{}),
		"events":             NewEventEncoder().Types(),
	} {
		if types, bytes := attack.Definitions(stream); types > 16 || bytes > 2048 {
			t.Errorf("%s: %d types in %d bytes", name, types, bytes)
		}
	}
}
