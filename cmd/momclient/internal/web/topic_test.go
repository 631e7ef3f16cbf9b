package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// frame is a frame as a browser decodes it.
type frame struct {
	Now  int64
	Full bool
	Set  map[string]json.RawMessage
	Gone []string
}

// reader is the copy of a topic in a browser.
type reader struct {
	last  string
	state map[string]string
	got   frame // the last frame
}

// read updates the copy, and reports whether there was something new.
func (r *reader) read(t *testing.T, of *topic, now time.Time, version uint64) bool {
	t.Helper()
	id, data := of.since(r.last, now, version)
	if data == nil {
		return false
	}
	r.got = frame{}
	if err := json.Unmarshal(data, &r.got); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if r.last = id; r.got.Full {
		r.state = make(map[string]string)
	}
	for key, text := range r.got.Set {
		r.state[key] = string(text)
	}
	for _, key := range r.got.Gone {
		delete(r.state, key)
	}
	return true
}

// TestTopic: readers that read at random times, some of them from the start,
// come to the same state, and each part is sent as often as it changes.
func TestTopic(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	truth := make(map[string]any)
	topic := newTopic(func(state map[string]any) { maps.Copy(state, truth) })
	readers := make([]reader, 5)
	now := time.Now()
	for step := range 3 * maxTombs {
		now = now.Add(FrameTime)
		key := fmt.Sprint("part/", r.IntN(20))
		if r.IntN(3) == 0 {
			delete(truth, key)
		} else {
			truth[key] = r.IntN(4)
		}
		for i := range readers {
			reader := &readers[i]
			if r.IntN(1+i*i*50) > 0 {
				continue
			}
			if r.IntN(200) == 0 {
				*reader = astray(r, reader)
			}
			reader.read(t, topic, now, uint64(step))
			if !equal(reader.state, truth) {
				t.Fatalf("seed %d step %d: reader %d has %v, want %v", seed, step, i, reader.state, truth)
			}
			if reader.read(t, topic, now, uint64(step)) {
				t.Fatalf("seed %d step %d: the same again", seed, step)
			}
		}
	}
	if n := len(topic.parts); n > 20 {
		t.Errorf("%d parts are kept", n)
	}
}

// astray returns a reader that has lost its cursor, or has one that never
// existed.
func astray(r *rand.Rand, was *reader) reader {
	return reader{last: []string{"", "junk", "OTHER-5", was.last + "999"}[r.IntN(4)], state: map[string]string{"part/junk": "1"}}
}

func equal(state map[string]string, truth map[string]any) bool {
	want := make(map[string]string)
	for key, v := range truth {
		want[key] = fmt.Sprint(v)
	}
	return maps.Equal(state, want)
}

// TestTopicTombs sends the whole state to a reader that comes back so late that
// removed parts are forgotten.
func TestTopicTombs(t *testing.T) {
	truth := map[string]any{"stays": 1, "goes": 1}
	topic := newTopic(func(state map[string]any) { maps.Copy(state, truth) })
	now := time.Now()
	var r, away reader
	r.read(t, topic, now, 0)
	away.read(t, topic, now, 0)
	delete(truth, "goes")
	for i := range maxTombs + 2 {
		now = now.Add(FrameTime)
		truth["counts"] = i
		if !r.read(t, topic, now, uint64(i+1)) || r.got.Full {
			t.Fatal("no frame, or a full one")
		}
		if i == 0 && !slices.Equal(r.got.Gone, []string{"goes"}) {
			t.Fatal(r.got)
		}
	}
	if _, ok := topic.parts["goes"]; ok {
		t.Error("it is remembered for ever")
	}
	if !away.read(t, topic, now, 9999) || !away.got.Full || !equal(away.state, truth) {
		t.Errorf("%+v", away)
	}
}

// TestTopicPace computes the state at most once per FrameTime, however many
// ask.
func TestTopicPace(t *testing.T) {
	made := 0
	topic := newTopic(func(map[string]any) { made++ })
	now := time.Now()
	for i := range 1000 { // in a second
		topic.since("", now.Add(time.Duration(i)*time.Millisecond), uint64(i))
	}
	if made != int(time.Second/(FrameTime/2)) {
		t.Errorf("made %d times", made)
	}
	made = 0
	for i := range 1000 { // only rates change
		topic.since("", now.Add(time.Minute+time.Duration(i)*time.Millisecond), 999)
	}
	if made != 1 {
		t.Errorf("made %d times without news", made)
	}
}

// TestTopicPaceOfMany computes a large state less often.
func TestTopicPaceOfMany(t *testing.T) {
	made := 0
	topic := newTopic(func(state map[string]any) {
		made++
		for i := range 4 * partsPerPause {
			state[fmt.Sprint("job/", i)] = i
		}
	})
	now := time.Now()
	topic.since("", now, 0)
	for i := range 1000 { // in a second
		topic.since("", now.Add(time.Duration(i)*time.Millisecond), uint64(i+1))
	}
	if want := 2; made != want {
		t.Errorf("made %d times, want %d", made, want)
	}
}
