package duplex

import (
	"net/rpc"
	"strings"
	"testing"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/attack"
)

// twice is a service for frames.
type twice struct{}

// Twice answers.
func (twice) Twice(n *int, reply *int) error { *reply = 2 * *n; return nil }

// Filter takes a filter.
func (twice) Filter(f *wire.Filter, reply *int) error {
	*reply = len(f.Names)
	return RunMethod(nil, f.Check)
}

// FuzzFrames serves whatever frames come on a connection, to its end.
func FuzzFrames(f *testing.F) {
	for _, a := range attack.Attacks("Test.Filter") {
		f.Add(attack.Frame(1, a.Payload))
		f.Add(attack.Frame(2, a.Payload))
	}
	call := attack.Frame(1, attack.Call("Test.Twice", 21))
	f.Add(append(call, attack.Frame(1, attack.NextCall("Test.Twice", 21))...))
	f.Add(attack.Frame(1, attack.Call("Test.Filter", &wire.Filter{Names: []string{"a"}, States: []wire.State{1}})))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff})
	f.Add(append(call, 2, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		attack.Bounded(t, len(data), func() {
			script := attack.NewScript(data)
			c := NewConn(script, testConfig)
			c.Client().Go("Test.Twice", new(int), new(int), make(chan *rpc.Call, 1)) // for replies
			err := c.Serve("Test", twice{})
			if e, ok := err.(*wire.Error); !ok || len(e.Message) > 500 {
				t.Errorf("it ended with %v", err)
			}
			c.Wait()
		})
	})
}

// FuzzParseError parses errors that peers send.
func FuzzParseError(f *testing.F) {
	for _, text := range []string{"", "mom:full:1000:wait", "mom:::", "mom:x:99999999999:y", "rpc: can't find service"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		attack.Bounded(t, len(text), func() {
			e := ParseError(text)
			if again := ParseError(FormatError(e)); again.Code != e.Code && strings.Contains(text, "mom:") && e.Code != wire.ProtocolError || again.After != e.After || len(e.Message) > 600 {
				t.Errorf("%q is %+v, and that %+v", text, e, again)
			}
		})
	})
}
