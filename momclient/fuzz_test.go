package momclient_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/invariant"
)

// FuzzClient is a whole client connection: whatever a server says, in the
// greeting and after it, the client ends by itself, and what it delivered by
// then is in order. Asked for History, it returns no more than was asked for.
func FuzzClient(f *testing.F) {
	welcome := append([]byte("MoM\x01\x01\x00\x00\x18"), make([]byte, 16)...)
	welcome = binary.BigEndian.AppendUint32(welcome, 3000)
	welcome = binary.BigEndian.AppendUint32(welcome, 1<<16)
	after := func(data []byte) []byte { return append(append([]byte(nil), welcome...), data...) }
	f.Add([]byte("SSH-2.0-x\r\n"))
	f.Add([]byte("MoM\x01\x01\x01\x00\x12mom:full:1000:wait"))
	f.Add(welcome)
	f.Add(after(welcomed()))
	enc := protocol.NewEventEncoder()
	var events []byte
	var common protocol.RunDefs
	var known protocol.SentDefs
	for seq := range uint64(3) {
		id := uuid.UUID{1}
		def, data, err := enc.Encode(&wire.Event{Seq: seq + 1, JobID: id, RunID: id, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}, &common, 1<<16)
		if err != nil {
			f.Fatal(err)
		}
		events = append(known.Append(events, def), data...)
	}
	for _, b := range []batch{
		{Next: 4, Count: 3, Types: enc.Types(), Events: events},
		{Next: 9, Count: 3, Snapshot: 3, Missed: 5, Pending: 2, Types: enc.Types(), Events: events},
		{Next: 3, Count: 3, Types: enc.Types(), Events: events},
		{Next: 1, Types: enc.Types()},
		{Next: 1<<64 - 1, Missed: 1<<64 - 1, Types: enc.Types()},
	} {
		f.Add(after(notify(b)))
	}
	type goodbye struct {
		Code, Message string
		AfterMillis   uint32
	}
	f.Add(after(append(welcomed(), attack.Frame(1, attack.Call("Callback.Goodbye", &goodbye{"draining", "bye", 1 << 31}))...)))
	for _, a := range attack.Attacks("Callback.Notify") {
		f.Add(after(append(welcomed(), attack.Frame(1, a.Payload)...)))
		f.Add(after(attack.Frame(2, a.Payload)))
		f.Add(after(notify(batch{Next: 2, Count: 1, Types: enc.Types(), Events: a.Payload})))
	}
	f.Add(after(attack.Frame(2, attack.Encode(&struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}{}, &protocol.Page{Next: 4, Count: 3, Types: enc.Types(), Events: events}))))
	for _, replies := range attack.Streams(f, "..", ".frames") {
		f.Add(after(replies))
	}

	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		attack.Bounded(t, len(data), func() { listen(t, data) })
	})
}

// listen runs a client on what a server says, until it is over.
func listen(t *testing.T, data []byte) {
	var mu sync.Mutex // guards the three below
	var got []wire.Event
	over, late := false, 0
	ended := make(chan struct{}, 1)
	c := momclient.New("server:1", momclient.Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return attack.NewScript(data), nil
	}})
	c.OnEvent(func(e wire.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e)
		if over {
			late++
		}
		if late > 1 { // Close does not wait for the call that is under way
			t.Error("events after Close")
		}
	})
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if len(s.String()) > 2000 {
			t.Errorf("a status of %d bytes", len(s.String()))
		}
		if s.Kind == momclient.Lost || s.Kind == momclient.Refused {
			select {
			case ended <- struct{}{}:
			default:
			}
		}
	})
	err := c.Subscribe(context.Background())
	if err == nil {
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Error("the client goes on after the end of the connection")
		}
	}
	c.Close()
	mu.Lock()
	defer mu.Unlock()
	over = true
	ask := momclient.New("server:1", momclient.Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return attack.NewScript(data), nil
	}})
	if events, _, err := ask.History(context.Background(), wire.Cursor{}, 3); len(events) > 3 {
		t.Errorf("%d events of 3: %v", len(events), err)
	}
	ask.Close()
	stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, func(v invariant.Violation) {
		if v.Invariant == invariant.Order || v.Invariant == invariant.NoRepeats { // what was missed such a server lies about
			t.Error(v)
		}
	})
	for _, e := range got {
		stream.Event(e)
	}
}
