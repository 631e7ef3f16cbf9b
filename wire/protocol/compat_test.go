package protocol

import (
	"bytes"
	"encoding/binary"
	stdgob "encoding/gob"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/rpc"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
	"mom.internal/wire/wiretest/attack"
)

// Streams captured in testdata/streams must decode for ever, to what stands
// beside them as JSON. They are bytes of real encoders: a .gob holds the length
// of its types in four bytes, the types, and the events; a .frames holds frames
// as a connection carries them. Gob bytes are never compared.
//
// -capture writes the streams that are not there yet. To capture a new version
// of the model, add a name; a stream that is there is never written again.
var capture = flag.Bool("capture", false, "write the streams that testdata/streams does not have yet")

const streamsDir = "../../testdata/streams"

// stream returns a captured stream, and captures it first with -capture.
func stream(t *testing.T, name string, make func() []byte) []byte {
	t.Helper()
	path := filepath.Join(streamsDir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *capture {
		data = make()
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sameAsThen compares values with the JSON that was captured with them. Fields
// that have come since may be there, and zero.
func sameAsThen(t *testing.T, name string, got any) {
	t.Helper()
	now, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	then := stream(t, name, func() []byte { return append(now, '\n') })
	if diff := lost(parsed(t, then), parsed(t, now), "$"); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// parsed reads JSON, with its numbers to the digit.
func parsed(t *testing.T, text []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// isZero reports whether a parsed value is zero, or holds nothing but zeros.
func isZero(v any) bool {
	if m, ok := v.(map[string]any); ok {
		for _, v := range m {
			if !isZero(v) {
				return false
			}
		}
		return true
	}
	return slices.Contains([]any{nil, false, "", json.Number("0"), uuid.Nil.String()}, v)
}

// lost returns where now is not what then was, "" for nowhere.
func lost(then, now any, path string) string {
	switch then := then.(type) {
	case map[string]any:
		m, _ := now.(map[string]any)
		for k, v := range then {
			if diff := lost(v, m[k], path+"."+k); diff != "" {
				return diff
			}
		}
		for k, v := range m {
			if _, known := then[k]; !known && !isZero(v) {
				return path + "." + k + " has come up and is not zero"
			}
		}
		return ""
	case []any:
		l, _ := now.([]any)
		if len(l) != len(then) {
			return path + " has another length"
		}
		for i := range then {
			if diff := lost(then[i], l[i], path+"[]"); diff != "" {
				return diff
			}
		}
		return ""
	}
	if then != now {
		return path + " is not what it was"
	}
	return ""
}

// olderRecord is the record of a release before this one, newerRecord of one
// after it.
type (
	olderRecord struct {
		Seq, Of uint64
		Run     *struct {
			JobID, RunID uuid.UUID
			Initialize   *struct{ Name string }
		}
		Package *struct {
			Run    uint64
			Header *struct{ Number int }
		}
		State uint8
		Began int64
		Log   []struct{ Message string }
	}
	newerRecord struct {
		Seq, Of uint64
		Run     *struct {
			JobID, RunID uuid.UUID
			Initialize   *struct {
				Name  string
				Owner struct{ Name, Address string }
			}
			Site *struct {
				ID   uuid.UUID
				Tags []string
			}
		}
		Package *struct {
			Run    uint64
			Header *struct {
				Number   int
				FileSize int64
				Digest   []byte
			}
		}
		State    uint8
		Received int64
		Log      []struct {
			Severity uint8
			Message  string
			Code     int32
		}
		BytesDone int64
		Rate      float64
		Priority  int
		Weights   []float64
	}
)

// fixedOlder and fixedNewer return a run's definition, a package's, and an
// event of it.
func fixedOlder() []*olderRecord {
	all := fixed[olderRecord](3)
	all[0].Of, all[0].Package = 1, nil
	all[1].Of, all[1].Run, all[1].Package.Run = 2, nil, 1
	all[2].Of, all[2].Run, all[2].Package = 2, nil, nil
	return all
}

func fixedNewer() []*newerRecord {
	all := fixed[newerRecord](3)
	all[0].Of, all[0].Package = 1, nil
	all[1].Of, all[1].Run, all[1].Package.Run = 2, nil, 1
	all[2].Of, all[2].Run, all[2].Package = 2, nil, nil
	all[2].State = 10 // a state of tomorrow
	return all
}

// captured returns a stream of events by any model: types, then values.
func captured[E any](events ...*E) []byte {
	var buf bytes.Buffer
	enc := stdgob.NewEncoder(&buf)
	enc.Encode(new(E))
	first := buf.Len()
	enc.Encode(new(E))
	types := slices.Clone(buf.Bytes()[:first-(buf.Len()-first)])
	buf.Reset()
	for _, e := range events {
		enc.Encode(e)
	}
	return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(types))), types, buf.Bytes())
}

// uncaptured returns the two parts of such a stream.
func uncaptured(data []byte) (types, events []byte) {
	n := binary.BigEndian.Uint32(data)
	return data[4 : 4+n], data[4+n:]
}

// fixed returns n random values, the same in every process.
func fixed[E any](n int) []*E {
	rng := rand.New(rand.NewPCG(20, 10))
	all := make([]*E, n)
	for i := range all {
		all[i] = new(E)
		attack.Fill(rng, reflect.ValueOf(all[i]).Elem())
	}
	return all
}

// TestCapturedEvents decodes the events of this version, of an older and of a
// newer model.
func TestCapturedEvents(t *testing.T) {
	current := func() []byte {
		events := []wire.Event{{Seq: 1}}
		for _, ev := range fixed[wire.Event](3) {
			events = append(events, undelivered(*ev))
		}
		events[2].Data.Header, events[2].Data.Body = nil, nil
		enc := NewEventEncoder()
		values := encoded(t, enc, events...)
		return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(enc.Types()))), enc.Types(), values)
	}
	for _, tc := range []struct {
		name  string
		count int
		make  func() []byte
	}{
		{"events-v1", 4, current},
		{"events-v2", 4, current}, // with outcomes
		{"events-older", 1, func() []byte { return captured(fixedOlder()...) }},
		{"events-newer", 1, func() []byte { return captured(fixedNewer()...) }},
	} {
		types, events := uncaptured(stream(t, tc.name+".gob", tc.make))
		sameAsThen(t, tc.name+".json", decoded(t, NewEventDecoder(types), events, tc.count))
	}
}

// TestCapturedRuns decodes whole runs that a server published before events had an
// outcome. Their last events have an outcome nevertheless.
func TestCapturedRuns(t *testing.T) {
	types, data := uncaptured(stream(t, "runs-v1.gob", nil))
	outcomes := make(map[string]wire.Outcome)
	for _, e := range decoded(t, NewEventDecoder(types), data, 39) {
		if outcomes[e.Name()] != 0 || e.Data.Status.Outcome != 0 {
			t.Errorf("%v of run %q, which had ended with %v", e.Data.Status.State, e.Name(), outcomes[e.Name()])
		}
		outcomes[e.Name()] = e.Outcome()
	}
	if want := map[string]wire.Outcome{
		"a": wire.Succeeded, "b": wire.SucceededWithErrors, "c": wire.Failed, "d": wire.SucceededWithErrors,
		"e": wire.Failed, "f": wire.Failed, "open": 0,
	}; !maps.Equal(outcomes, want) {
		t.Errorf("%v; want %v", outcomes, want)
	}
}

// TestOthersDecode: an older and a newer client decode this version's events.
func TestOthersDecode(t *testing.T) {
	enc := NewEventEncoder()
	ev := fullEvent()
	data := append(slices.Clone(enc.Types()), encoded(t, enc, ev)...)
	var older [3]olderRecord
	var newer [3]newerRecord
	old, young := stdgob.NewDecoder(bytes.NewReader(data)), stdgob.NewDecoder(bytes.NewReader(data))
	for i := range 3 {
		if err := errors.Join(old.Decode(&older[i]), young.Decode(&newer[i])); err != nil {
			t.Fatal(err)
		}
	}
	if o := older[2]; o.Seq != 42 || o.Of != older[1].Of || older[1].Package.Run != older[0].Of || older[0].Run.JobID != ev.JobID ||
		older[1].Package.Header.Number != 10 || o.State != uint8(wire.Transferring) || o.Log[0].Message != "odd" ||
		o.Began != ev.Data.Status.SentTime.UnixNano() {
		t.Errorf("the older got %+v", older)
	}
	run, pack, n := newer[0].Run, newer[1].Package, newer[2]
	if run.RunID != ev.RunID || run.Initialize.Name != "site" || run.Initialize.Owner.Name != "" || run.Site != nil ||
		pack.Header.FileSize != 11 || pack.Header.Digest != nil || n.Log[0].Severity != uint8(wire.SeverityWarning) || n.BytesDone != 21 || n.Priority != 0 {
		t.Errorf("the newer got %+v", newer)
	}
}

// Arguments and replies of other releases.
type (
	olderSubscribeArgs struct {
		Name string
		From uint8
	}
	newerSubscribeArgs struct {
		Name   string
		From   uint8
		Cursor struct {
			Epoch uuid.UUID
			Seq   uint64
			Shard uint32
		}
		Filter struct {
			Jobs   []uuid.UUID
			States []uint8
			Paths  []string
		}
		Credit   struct{ Events, Bytes, Millis uint64 }
		Compress []string
	}
	newerBatch struct {
		Next, Missed             uint64
		Pending, Snapshot, Count uint32
		Types, Events            []byte
		Lag                      struct{ Events, Millis uint64 }
	}
	olderAck struct{ Events uint64 }
)

// The kinds of frames, and the length of a frame's head; see package duplex.
const (
	callFrame, replyFrame byte = 1, 2
	frameHeadSize              = 5
)

// said returns one direction's frames of a connection: heads and bodies.
func said(kind byte, bodies ...any) (frames []byte) {
	w := gob.NewWriter()
	for i, body := range bodies {
		var head any = &rpc.Request{ServiceMethod: "Test.Method", Seq: uint64(i)}
		if kind == replyFrame {
			head = &rpc.Response{Seq: uint64(i)}
		}
		payload, err := w.Append(nil, head)
		if err == nil {
			payload, err = w.Append(payload, body)
		}
		if err != nil {
			panic(err)
		}
		frames = append(frames, attack.Frame(kind, payload)...)
	}
	return frames
}

// heard decodes such frames into the bodies.
func heard(t *testing.T, kind byte, data []byte, bodies ...any) {
	t.Helper()
	in := new(gob.Stream)
	for i, body := range bodies {
		if len(data) < frameHeadSize || data[0] != kind {
			t.Fatalf("frame %d is none: %q", i, data[:min(len(data), frameHeadSize)])
		}
		n := frameHeadSize + int(binary.BigEndian.Uint32(data[1:]))
		var head any = new(rpc.Request)
		if kind == replyFrame {
			head = new(rpc.Response)
		}
		in.Take(data[frameHeadSize:n])
		if err := errors.Join(in.Decode(head), in.Decode(body), in.End()); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		data = data[n:]
	}
	if len(data) > 0 {
		t.Errorf("%d bytes behind the last frame", len(data))
	}
}

// TestCapturedCalls decodes the calls and replies of a connection, by this
// version, by an older and by a newer one.
func TestCapturedCalls(t *testing.T) {
	nothing := &Nothing{}
	for _, tc := range []struct {
		name string
		kind byte
		said []any
		into []any
	}{
		{"calls-v1", callFrame,
			[]any{fixed[SubscribeArgs](1)[0], fixed[Credit](1)[0], nothing, fixed[HistoryArgs](1)[0], fixed[JobsArgs](1)[0], fixed[Credit](2)[1], fixed[Batch](1)[0], fixed[Goodbye](1)[0]},
			[]any{new(SubscribeArgs), new(Credit), new(Nothing), new(HistoryArgs), new(JobsArgs), new(Credit), new(Batch), new(Goodbye)}},
		{"calls-v2", callFrame,
			[]any{fixed[SubscribeArgs](1)[0], fixed[Credit](1)[0], nothing, fixed[HistoryArgs](1)[0], fixed[JobsArgs](1)[0], fixed[Credit](2)[1], fixed[Batch](1)[0], fixed[Goodbye](1)[0]},
			[]any{new(SubscribeArgs), new(Credit), new(Nothing), new(HistoryArgs), new(JobsArgs), new(Credit), new(Batch), new(Goodbye)}},
		{"calls-v3", callFrame,
			[]any{fixed[SubscribeArgs](1)[0], fixed[Credit](1)[0], nothing, fixed[HistoryArgs](1)[0], fixed[JobsArgs](1)[0], fixed[Credit](2)[1], fixed[Batch](1)[0], fixed[Goodbye](1)[0]},
			[]any{new(SubscribeArgs), new(Credit), new(Nothing), new(HistoryArgs), new(JobsArgs), new(Credit), new(Batch), new(Goodbye)}},
		{"replies-v1", replyFrame,
			[]any{fixed[Subscribed](1)[0], nothing, fixed[Page](1)[0], fixed[Ack](1)[0], fixed[Page](2)[1]},
			[]any{new(Subscribed), new(Nothing), new(Page), new(Ack), new(Page)}},
		{"calls-older", callFrame, []any{fixed[olderSubscribeArgs](1)[0]}, []any{new(SubscribeArgs)}},
		{"calls-newer", callFrame, []any{fixed[newerSubscribeArgs](1)[0], fixed[newerBatch](1)[0]}, []any{new(SubscribeArgs), new(Batch)}},
		{"replies-older", replyFrame, []any{fixed[olderAck](1)[0]}, []any{new(Ack)}},
	} {
		data := stream(t, tc.name+".frames", func() []byte { return said(tc.kind, tc.said...) })
		heard(t, tc.kind, data, tc.into...)
		sameAsThen(t, tc.name+".json", tc.into)
	}
	// And the other way: what this version says to the others.
	args, batch := fixed[SubscribeArgs](1)[0], fixed[Batch](1)[0]
	older, newer, newBatch := new(olderSubscribeArgs), new(newerSubscribeArgs), new(newerBatch)
	heard(t, callFrame, said(callFrame, args), older)
	heard(t, callFrame, said(callFrame, args, batch), newer, newBatch)
	if older.Name != args.Name || older.Name == "" || newer.Cursor.Seq != args.Cursor.Seq || newer.Compress != nil ||
		!slices.Equal(newer.Filter.Jobs, args.Filter.Jobs) || newBatch.Next != batch.Next || newBatch.Lag.Millis != 0 {
		t.Errorf("%+v became %+v and %+v", args, older, newer)
	}
}

// TestLost: a captured value that changes is found, a field that has come is
// not held against it.
func TestLost(t *testing.T) {
	then := parsed(t, []byte(`{"a":[{"b":1,"c":"x"}]}`))
	for text, same := range map[string]bool{
		`{"a":[{"b":1,"c":"x"}]}`: true, `{"a":[{"b":1,"c":"x","d":0}],"e":null}`: true,
		`{"a":[{"b":2,"c":"x"}]}`: false, `{"a":[{"c":"x"}]}`: false, `{"a":[]}`: false, `{}`: false, `{"a":[{"b":1,"c":"x","d":3}]}`: false,
	} {
		if diff := lost(then, parsed(t, []byte(text)), "$"); (diff == "") != same {
			t.Errorf("%s: %q", text, diff)
		}
	}
}
