package wire

import (
	"context"
	"errors"
	"net"
	"net/rpc"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
)

// TestGobBounds holds each bound that is set at its limit, and one past it, on
// a connection.
func TestGobBounds(t *testing.T) {
	// A call of Test.Filter with two names has so much, with its head.
	types, names := new(gobTypes), Filter{Names: []string{"a", "b"}}
	*types = *newTypes()
	head := struct {
		ServiceMethod string
		Seq           uint64
	}{"Test.Filter", 1}
	call := gobOf(t, &head, &names)
	if err := walk(types, call); err != nil {
		t.Fatal(err)
	}
	exact := GobBounds{Types: len(types.byID), Fields: types.refs, Definitions: types.bytes, Elements: 2}
	serve := func(b GobBounds) error {
		cfg := testConfig
		cfg.Gob = b
		_, err := servedTo(t, cfg, func(far net.Conn) {
			far.Write(frame(frameCall, call))
			synctest.Wait()
		})
		return err
	}
	if err := serve(exact); errors.Is(err, ProtocolError) {
		t.Errorf("at the limits: %v", err)
	}
	for i := range reflect.TypeFor[GobBounds]().NumField() {
		less, name := exact, reflect.TypeFor[GobBounds]().Field(i).Name
		f := reflect.ValueOf(&less).Elem().Field(i)
		f.SetInt(f.Int() - 1)
		if err := serve(less); !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), "Gob."+name) {
			t.Errorf("%s one less: %v", name, err)
		}
	}
	if (GobBounds{}).withDefaults() != defaultGobBounds || (GobBounds{Types: -1, Fields: 5}).withDefaults().Fields != 5 {
		t.Error("the defaults are not those")
	}
}

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

// TestGobBoundsOfReplies: they hold for what answers this side's calls, too.
func TestGobBoundsOfReplies(t *testing.T) {
	for elements, want := range map[int]error{3: nil, 2: ProtocolError} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			cfg := testConfig
			cfg.Gob = GobBounds{Elements: elements}
			asks, answers := NewConn(near, cfg), NewConn(far, testConfig)
			go answers.Serve("Test", lister{})
			go asks.Serve("", nil)
			var reply []string
			if err := asks.Call(context.Background(), "Test.List", new(int), &reply); !errors.Is(err, want) {
				t.Errorf("%d elements: %v, %v", elements, reply, err)
			}
			for _, c := range []*Conn{asks, answers} {
				c.Close(Errorf(Closed, "test over"))
				c.Wait()
			}
		})
	}
}

type lister struct{}

// List answers with three texts.
func (lister) List(_ *int, reply *[]string) error {
	*reply = []string{"a", "b", "c"}
	return nil
}

// TestGobBoundsOfEvents: a decoder has its own.
func TestGobBoundsOfEvents(t *testing.T) {
	enc, ev := NewEventEncoder(), fullEvent()
	ev.Data.Status.Log = make([]LogEntry, 3)
	data := encoded(t, enc, ev)
	for elements, want := range map[int]error{3: nil, 2: ProtocolError} {
		if err := (GobBounds{Elements: elements}).NewEventDecoder(enc.Types()).Decode(data, 1, func(*Event) {}); !errors.Is(err, want) {
			t.Errorf("%d elements: %v", elements, err)
		}
	}
	if err := (GobBounds{Definitions: len(enc.Types()) - 1}).NewEventDecoder(enc.Types()).Decode(nil, 0, nil); !errors.Is(err, ProtocolError) {
		t.Errorf("too many definitions: %v", err)
	}
}

// TestBoundNames: the name of a bound, if given, stands at the end of the error
// of that bound.
func TestBoundNames(t *testing.T) {
	for _, names := range []BoundNames{{}, {MaxMessage: "Max", WriteTimeout: "Write", MessageTimeout: "Message"}} {
		cfg := testConfig
		cfg.MaxMessage, cfg.Names = 5, names
		end := func(words, name string) string {
			if name == "" {
				return words
			}
			return words + " (" + name + ")"
		}
		for sent, want := range map[string]string{
			"\x01\x00\x00\x00\x06": end("a message of 6 bytes; at most 5", names.MaxMessage),
			"\x01":                 end("was not whole after 1s", names.MessageTimeout),
		} {
			if _, err := servedTo(t, cfg, func(far net.Conn) { far.Write([]byte(sent)) }); !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%v; want %q at the end", err, want)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			near, _ := net.Pipe() // nobody reads
			c := NewConn(near, cfg)
			go c.Serve("", nil)
			err := c.Call(context.Background(), "Test.Twice", new(int), new(int))
			if want := end("writing to pipe: no progress in time", names.WriteTimeout); err.Error() != want {
				t.Errorf("%v; want %q", err, want)
			}
			c.Wait()
		})
	}
}
