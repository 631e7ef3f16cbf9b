package wire

import (
	"slices"
	"strings"
	"testing"
)

// pinnedStates is the list of DESIGN, typed out again: a number or a name that
// changes here breaks clients that are out there.
var pinnedStates = []struct {
	number uint8
	state  State
	name   string
	parses []string // beside name
}{
	{1, JobInitialized, "MirroringJobInitialized", []string{"JobInitialized"}},
	{2, PackageInitialized, "MirroringPackageInitialized", []string{"PackageInitialized"}},
	{3, Transferring, "Transferring", []string{"Transfering"}},
	{4, Transferred, "Transferred", nil},
	{5, PackageCompleted, "MirroringPackageCompleted", []string{"PackageCompleted"}},
	{6, JobCompleted, "MirroringJobCompleted", []string{"JobCompleted"}},
	{7, ExportingError, "ExportingError", nil},
	{8, TransferringError, "TransferringError", []string{"TransferingError"}},
	{9, ImportingError, "ImportingError", nil},
}

func TestStateNumbersAndNames(t *testing.T) {
	var all []State
	for _, p := range pinnedStates {
		all = append(all, p.state)
		if uint8(p.state) != p.number {
			t.Errorf("%v has the number %d; the wire's is %d", p.state, p.state, p.number)
		}
		if got := p.state.String(); got != p.name {
			t.Errorf("State(%d) is named %q; want %q", p.number, got, p.name)
		}
		if !p.state.Valid() {
			t.Errorf("%v is not valid", p.state)
		}
	}
	if got := States(); !slices.Equal(got, all) {
		t.Errorf("States() = %v; want %v", got, all)
	}
	for state, name := range map[State]string{0: "", 10: "State(10)", 255: "State(255)"} {
		if state.Valid() || state.String() != name {
			t.Errorf("State(%d): valid %v, %q; want false, %q", uint8(state), state.Valid(), state.String(), name)
		}
	}
}

func TestParseState(t *testing.T) {
	for _, p := range pinnedStates {
		for _, text := range append(p.parses, p.name) {
			for _, text := range []string{text, strings.ToLower(text), strings.ToUpper(text)} {
				if got, err := ParseState(text); err != nil || got != p.state {
					t.Errorf("ParseState(%q) = %v, %v; want %v", text, got, err, p.state)
				}
			}
		}
	}
	for _, text := range []string{"", "Done", "Transferring ", "State(3)", "3", "Mirroring"} {
		got, err := ParseState(text)
		if err == nil || got != 0 {
			t.Errorf("ParseState(%q) = %v, %v; want an error", text, got, err)
			continue
		}
		if !strings.Contains(err.Error(), "MirroringJobInitialized") {
			t.Errorf("ParseState(%q) does not say which states there are: %v", text, err)
		}
	}
	if _, err := ParseState(strings.Repeat("x", 1<<20)); len(err.Error()) > 1000 {
		t.Errorf("the error grows with its input: %d bytes", len(err.Error()))
	}
}

func TestStateText(t *testing.T) {
	for _, s := range append(States(), 0) {
		text, err := s.MarshalText()
		if err != nil || string(text) != s.String() {
			t.Errorf("%v.MarshalText() = %q, %v", s, text, err)
		}
		back := State(77)
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("UnmarshalText(%q) = %v, %v", text, back, err)
		}
	}
	if text, err := State(255).MarshalText(); err != nil || string(text) != "State(255)" { // of a later version
		t.Errorf("State(255).MarshalText() = %q, %v", text, err)
	}
	var s State
	if err := s.UnmarshalText([]byte("nonsense")); err == nil {
		t.Errorf("nonsense became %v", s)
	}
}

// TestTransitions holds the whole table: a row is what is, a column what may
// follow.
func TestTransitions(t *testing.T) {
	table := []string{
		//  JI PI Tg Td PC JC EE TE IE
		1: " x  x  .  .  .  x  x  .  . ", // JobInitialized
		2: " .  .  x  x  .  .  x  x  . ", // PackageInitialized
		3: " .  .  x  x  .  .  .  x  . ", // Transferring
		4: " .  .  .  .  x  .  .  .  x ", // Transferred
		5: " .  .  .  .  .  .  .  .  . ", // PackageCompleted
		6: " .  .  .  .  .  .  .  .  . ", // JobCompleted
		7: " .  .  .  .  .  .  .  .  . ", // ExportingError
		8: " .  .  .  .  .  .  .  .  . ", // TransferringError
		9: " .  .  .  .  .  .  .  .  . ", // ImportingError
	}
	for _, from := range States() {
		cells := strings.Fields(table[from])
		for i, to := range States() {
			want := cells[i] == "x"
			if got := from.MayBecome(to); got != want {
				t.Errorf("%v may become %v: %v; want %v", from, to, got, want)
			}
		}
	}
	for _, unknown := range []State{0, 10, 255} {
		for s := range State(20) {
			if unknown.MayBecome(s) || s.MayBecome(unknown) {
				t.Errorf("%d and %d follow each other", unknown, s)
			}
		}
	}
}

func TestStateKinds(t *testing.T) {
	for _, tc := range []struct {
		state                State
		isError              bool
		endsRun, endsLenient bool // lenient: ContinueOnError
	}{
		{0, false, false, false},
		{JobInitialized, false, false, false},
		{PackageInitialized, false, false, false},
		{Transferring, false, false, false},
		{Transferred, false, false, false},
		{PackageCompleted, false, false, false},
		{JobCompleted, false, true, true},
		{ExportingError, true, true, true},
		{TransferringError, true, true, false},
		{ImportingError, true, true, false},
		{10, false, false, false},
	} {
		s := tc.state
		if s.IsError() != tc.isError {
			t.Errorf("%v: IsError %v", s, s.IsError())
		}
		if s.EndsRun(false) != tc.endsRun || s.EndsRun(true) != tc.endsLenient {
			t.Errorf("%v: EndsRun %v, with ContinueOnError %v", s, s.EndsRun(false), s.EndsRun(true))
		}
	}
}
