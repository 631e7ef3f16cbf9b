package gob

import (
	"bytes"
	"encoding/gob"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/uuid"

	"mom.internal/wire/wiretest/attack"
)

// claim returns a stream of one value of a type with a list, in which the list
// claims n elements, of which so many bytes follow. v is the value with an
// empty field M and a list L of one element that takes one byte, behind M.
func claim(t *testing.T, v any, n uint64, behind int) []byte {
	t.Helper()
	data := attack.Encode(v)
	end := bytes.LastIndex(data, []byte{1, 1, 'T', 1, 1})
	if end < 0 {
		t.Fatalf("no list in % x", data)
	}
	typ, _, _ := lastMessage(data)
	value := append(bytes.Clone(typ), 1, 1, 'T', 1)
	value = appendUint(value, n)
	value = append(value, make([]byte, behind)...)
	value = append(value, 0)
	_, start, _ := lastMessage(data)
	return append(appendUint(bytes.Clone(data[:start]), uint64(len(value))), value...)
}

// lastMessage returns the type number of a stream's last message, in bytes,
// and where it begins and its content.
func lastMessage(data []byte) (typ []byte, start int, content []byte) {
	for in := (reader{b: data}); in.left() > 0; {
		start = in.at
		content = in.string()
	}
	msg := reader{b: content}
	msg.int()
	return content[:msg.at], start, content
}

type (
	bigElement struct{ A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P int }
	listOfBig  struct {
		ServiceMethod string
		L             []bigElement
	}
	listOfText struct {
		ServiceMethod string
		L             []string
	}
	listOfNumbers struct {
		ServiceMethod string
		L             []uint64
	}
	listOfLists struct {
		ServiceMethod string
		L             [][]uint64
	}
)

// lists are values with a list of one element, of one byte.
var lists = map[string]any{
	"structs": listOfBig{"T", make([]bigElement, 1)}, "texts": listOfText{"T", make([]string, 1)},
	"numbers": listOfNumbers{"T", make([]uint64, 1)}, "lists": listOfLists{"T", make([][]uint64, 1)},
}

// TestGuardCounts is exact: as many elements as the bound are taken, one more
// is not; a claim of more than there are bytes costs nothing.
func TestGuardCounts(t *testing.T) {
	most := uint64(maxElements)
	for name, v := range lists {
		if err := walked(claim(t, v, most, int(most))); err != nil {
			t.Errorf("%s at the bound: %v", name, err)
		}
		for _, n := range []uint64{most + 1, 1 << 17} {
			err := walked(claim(t, v, n, int(n)))
			if !errors.As(err, new(Error)) || !strings.Contains(err.Error(), "elements") {
				t.Errorf("%d %s: %v", n, name, err)
			}
		}
		for _, n := range []uint64{2, 12, most, 1 << 16, 1 << 62, 1<<64 - 1} {
			data := claim(t, v, n, 0)
			before := attack.Allocated()
			err := walked(data)
			if !errors.As(err, new(Error)) || attack.Allocated()-before > 64<<10 {
				t.Errorf("%d %s claimed: %v after %d bytes", n, name, err, attack.Allocated()-before)
			}
			// What the guard is for: gob makes room for what is claimed.
			if n == most && name == "structs" {
				before = attack.Allocated()
				gob.NewDecoder(bytes.NewReader(data)).Decode(new(listOfBig))
				if room := attack.Allocated() - before; room < uint64(reflect.TypeFor[bigElement]().Size())*most {
					t.Errorf("gob made room of only %d bytes: the guard is not needed any more", room)
				}
			}
		}
	}
}

// TestGuardCountsTogether: the bound is of all lists of a value, not of each.
func TestGuardCountsTogether(t *testing.T) {
	type both struct {
		A, B []string
		C    []struct{ D [][]int }
	}
	half := make([]string, maxElements/2)
	v := both{A: half, B: half}
	if err := walked(attack.Encode(v)); err != nil {
		t.Error(err)
	}
	v.C = make([]struct{ D [][]int }, 1)
	if err := walked(attack.Encode(v)); !errors.As(err, new(Error)) {
		t.Errorf("one more: %v", err)
	}
	v.A = half[:len(half)-4]
	v.C[0].D = [][]int{{1}, {}}
	if err := walked(attack.Encode(v)); err != nil {
		t.Errorf("four within: %v", err)
	}
	v.C[0].D[1] = []int{1}
	if err := walked(attack.Encode(v)); !errors.As(err, new(Error)) {
		t.Errorf("five within: %v", err)
	}
	// Not of all values of a stream.
	v.C = nil
	if err := walked(attack.Encode(v, v, v)); err != nil {
		t.Error(err)
	}
}

// TestGuardWalks values of every form up to the end, so that what stands
// behind a list is not taken for one.
func TestGuardWalks(t *testing.T) {
	rng := attack.Random(t)
	type inner struct {
		F    float64
		C    complex128
		B    []byte
		S    string
		L    []int64
		Self uuid.UUID // encodes itself
	}
	type all struct {
		I    int64
		Deep struct{ In inner }
		L    []inner
		P    *inner
		Last []struct{ Texts []string }
		N    int
	}
	for range 500 {
		var v all
		rv := reflect.ValueOf(&v).Elem()
		for i := range rv.NumField() {
			attack.Fill(rng, rv.Field(i))
		}
		if err := walked(attack.Encode(v)); err != nil {
			t.Fatalf("%v: %+v", err, v)
		}
	}
	// A list by itself, too.
	if err := walked(attack.Encode(make([]inner, maxElements))); err != nil {
		t.Error(err)
	}
	if err := walked(attack.Encode(make([]inner, maxElements+1))); !errors.As(err, new(Error)) {
		t.Errorf("a list by itself: %v", err)
	}
}

// TestGuardOfUndefined types and of field numbers beyond all.
func TestGuardOfUndefined(t *testing.T) {
	whole := attack.Encode(listOfBig{"T", make([]bigElement, 1)})
	first := reader{b: whole}
	first.string() // the definition of the struct; that of its list is left out
	_, start, _ := lastMessage(whole)
	for name, data := range map[string][]byte{
		"no definition":      whole[start:],
		"a value of type 0":  {3, 0, 0, 5},
		"half a definition":  append(bytes.Clone(whole[:first.at]), whole[start:]...),
		"a field far behind": wrapped(t, whole, 1, 1, 'T', 0xf8, 255, 255, 255, 255, 255, 255, 255, 255),
		"one within":         wrapped(t, whole, 2, 1, 100, 1, 0, 0),
		"one that wraps":     wrapped(t, whole, 2, 1, 1, 2, 0xf8, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0),
	} {
		err := walked(data)
		if name == "a field far behind" { // behind the last list: gob's to refuse
			err = gob.NewDecoder(bytes.NewReader(data)).Decode(new(listOfBig))
		} else if !errors.As(err, new(Error)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// wrapped returns the stream with another value in the place of its last one.
func wrapped(t *testing.T, stream []byte, value ...byte) []byte {
	t.Helper()
	typ, start, _ := lastMessage(stream)
	content := append(bytes.Clone(typ), value...)
	return append(appendUint(bytes.Clone(stream[:start]), uint64(len(content))), content...)
}

// TestText: short strings share one allocation, for as many bytes as are still to
// come and maxWords bytes at most. A string that comes again is not copied again,
// and a long string has its own allocation.
func TestText(t *testing.T) {
	in := func(texts ...string) reader {
		var b []byte
		for _, text := range texts {
			b = append(appendUint(b, uint64(len(text))), text...)
		}
		return reader{b: b}
	}
	at := func(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s))) }
	const short, next = "short", "next"
	limit, long := strings.Repeat("l", maxWords), strings.Repeat("x", maxWords+1)
	d := valueReader{in: in(short, short, next, long, next, limit), behind: 100}
	var got []string
	for _, want := range []string{short, short, next, long, next, limit} {
		got = append(got, d.text())
		if got[len(got)-1] != want {
			t.Errorf("%.20q becomes %.20q", want, got[len(got)-1])
		}
	}
	if at(got[1]) != at(got[0]) || at(got[4]) != at(got[2]) {
		t.Error("a string that comes again is copied")
	}
	if at(got[2]) != at(got[0])+uintptr(len(short)) {
		t.Error("short strings do not lie together")
	}
	if d.word != limit || d.words.Len() != maxWords || d.words.Cap() < maxWords || d.words.Cap() > 2*maxWords {
		t.Errorf("%d bytes lie together, in %d", d.words.Len(), d.words.Cap())
	}
	for behind, most := range map[int]int{0: 16, 100: 112, 10 * maxWords: maxWords + 64} {
		d := valueReader{in: in(short), behind: behind}
		if d.text(); d.words.Cap() < min(behind, maxWords) || d.words.Cap() > most {
			t.Errorf("with %d bytes behind, there is room for %d", behind, d.words.Cap())
		}
	}
}

// panicky panics when it is read.
type panicky byte

func (*panicky) UnmarshalBinary([]byte) error  { panic(strings.Repeat("boom", 1000)) }
func (panicky) MarshalBinary() ([]byte, error) { return []byte{1}, nil }

// TestReadPanics: if a type panics when it reads itself, the stream has a short
// error.
func TestReadPanics(t *testing.T) {
	type holder struct{ P panicky }
	s := new(Stream)
	s.Take(attack.Encode(holder{1}))
	if err := s.Decode(new(holder)); !errors.As(err, new(Error)) || !strings.Contains(err.Error(), "boom") || len(err.Error()) > 400 {
		t.Error(err)
	}
}
