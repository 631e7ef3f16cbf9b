package wire

import (
	"net/rpc"
	"testing"

	"github.com/google/uuid"
)

// TestGobStreams holds the protocol's own streams to what is said of them.
func TestGobStreams(t *testing.T) {
	full := SubscribeArgs{
		Name: "n", From: FromCursor, Cursor: Cursor{Epoch: uuid.UUID{1}, Seq: 1}, Renew: true, Room: 1, CallbackAddr: "h:1", Ticket: []byte{1},
		Filter: Filter{Jobs: []uuid.UUID{{1}}, Names: []string{"n"}, States: []State{1}, Severity: 1},
	}
	for name, stream := range map[string][]byte{
		"a client's calls":   gobOf(t, &rpc.Request{}, &full, &Nothing{}, &RoomArgs{}, &HistoryArgs{}, &JobsArgs{}),
		"a server's replies": gobOf(t, &rpc.Response{}, &Subscribed{}, &Nothing{}, &Page{}),
		"a server's calls":   gobOf(t, &rpc.Request{}, &Batch{}, &Goodbye{}),
		"a client's replies": gobOf(t, &rpc.Response{}, &Ack{}, &Nothing{}),
		"events":             NewEventEncoder().Types(),
	} {
		types := newTypes()
		if err := walk(types, stream); err != nil || len(types.byID) > 16 || types.refs > 64 || types.bytes > 1024 {
			t.Errorf("%s: %d types, %d fields, %d bytes, %v", name, len(types.byID), types.refs, types.bytes, err)
		}
		t.Logf("%s: %d types, %d fields, %d bytes", name, len(types.byID), types.refs, types.bytes)
	}
}
