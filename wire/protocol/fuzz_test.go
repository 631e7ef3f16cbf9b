package protocol

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
	"mom.internal/wire/wiretest/attack"
)

// fuzz_test.go holds the targets of this package. Their seeds are the attacks
// and the captured streams; what was found stands in testdata/fuzz.

func addAttacks(f *testing.F, method string) {
	for _, a := range attack.Attacks(method) {
		f.Add(a.Payload)
	}
}

// FuzzGreeting reads both halves of a greeting.
func FuzzGreeting(f *testing.F) {
	for _, seed := range []string{
		"", "M", helloBytes, "MoM\x01\x01\xff\xff", "MoM\x01\x02\x00\x00", "GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\x02\x00",
		"MoM\x01\x01\x00\x00\x18" + strings.Repeat("e", 24), "MoM\x01\x01\x01\x00\x12mom:full:1000:wait", "MoM\x01\x01\x01\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		attack.Bounded(t, len(data), func() {
			token, err := ReadHello(attack.NewScript(data))
			switch {
			case err == nil && (len(token) > wire.MaxTokenBytes || !bytes.HasPrefix(data, []byte(greetMagic+"\x01"))):
				t.Errorf("taken: %q", token)
			case err != nil && len(err.Error()) > 300:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			script := attack.NewScript(data)
			welcome, err := Greet(script, "token", time.Second)
			switch {
			case err == nil && !bytes.HasPrefix(data, []byte(greetMagic+"\x01\x00")):
				t.Errorf("welcome: %+v", welcome)
			case err != nil && len(err.Error()) > 1000:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if !bytes.Equal(script.Heard(), []byte("MoM\x01\x01\x00\x05token")) {
				t.Errorf("said %q", script.Heard())
			}
		})
	})
}

// FuzzEventDecoder decodes any types and events.
func FuzzEventDecoder(f *testing.F) {
	types, events := benchBatch()
	f.Add(types, events, 100)
	f.Add(types, events[:len(events)/2], 50)
	for _, a := range attack.Attacks("X") {
		f.Add(a.Payload, events, 1)
		f.Add(types, a.Payload, 1)
	}
	for _, data := range attack.Streams(f, "../..", ".gob") {
		f.Add(types, data, 2)
	}
	enc := NewEventEncoder()
	f.Add(enc.Types(), encoded(f, enc, fullEvent(), fullEvent()), 2)
	f.Fuzz(func(t *testing.T, types, events []byte, count int) {
		attack.Bounded(t, len(types)+len(events), func() {
			n := 0
			err := NewEventDecoder(types).Decode(events, count, func(e *wire.Event) {
				if n++; len(e.Data.Status.Log) > wire.MaxLogEntries {
					t.Errorf("a log of %d entries", len(e.Data.Status.Log))
				}
			})
			if err == nil && n != max(0, count) || n > max(0, count) {
				t.Errorf("%d events of %d: %v", n, count, err)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	})
}

// FuzzFilter decodes a filter as a server does, and matches by it.
func FuzzFilter(f *testing.F) {
	ev := fullEvent()
	f.Add(attack.Encode(&wire.Filter{}))
	f.Add(attack.Encode(&wire.Filter{Names: []string{"site"}, States: []wire.State{wire.Transferring}, Severity: wire.SeverityWarning}))
	f.Add(attack.Encode(&wire.Filter{Names: make([]string, wire.MaxFilterItems+1)}))
	addAttacks(f, "X")
	f.Fuzz(func(t *testing.T, data []byte) {
		attack.Bounded(t, len(data), func() {
			s, filter := new(gob.Stream), new(wire.Filter)
			if s.Take(data); s.Decode(filter) != nil {
				return
			}
			err := filter.Check()
			if n := len(filter.Jobs) + len(filter.Names); n > 4096 || err == nil && n > 2*wire.MaxFilterItems {
				t.Errorf("a filter of %d items: %v", n, err)
			}
			if filter.IsZero() && !filter.Takes(&ev) {
				t.Error("a filter for all does not take all")
			}
			if len(filter.String()) > 200 {
				t.Errorf("it says %d bytes", len(filter.String()))
			}
		})
	})
}

// FuzzDialBack gives both ends of a dial-back whatever the other says.
func FuzzDialBack(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("220 mail.example ESMTP\r\n"))
	f.Add(append(bytes.Clone(endpointOpening), make([]byte, endpointSize)...))
	nonce := make([]byte, nonceSize)
	f.Add(append(append(bytes.Clone(endpointOpening), nonce...), proof(ticketB, "endpoint", nonce)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		attack.Bounded(t, len(data), func() {
			script := attack.NewScript(data)
			if _, err := TakeEndpoint(script, ticketA, time.Second, plain); err == nil || len(script.Heard()) > 0 {
				t.Errorf("%v, and the victim heard %q", err, script.Heard())
			}
			if _, err := OfferEndpoint(attack.NewScript(data), ticketA, time.Second, plain); err == nil {
				t.Error("taken for the server")
			}
		})
	})
}
