package wire

import (
	"fmt"
	"slices"
	"strings"
)

// State is what a run or a package has just become. There are nine states; zero
// means that none is given. The numbers cross the wire and are append-only.
type State uint8

// The nine states: six in the order of a run without errors, and three errors.
const (
	JobInitialized     State = 1 // the run has begun; repeats while it works out what there is to do
	PackageInitialized State = 2 // the package is made; its header and body are known
	Transferring       State = 3 // bytes have moved; repeats
	Transferred        State = 4 // all bytes of the package have arrived
	PackageCompleted   State = 5 // the package is imported; ends the package
	JobCompleted       State = 6 // the run was completed; ends the run
	ExportingError     State = 7 // making a package failed, or the run was broken off; ends the run
	TransferringError  State = 8 // sending a package failed; ends it, and the run unless ContinueOnError
	ImportingError     State = 9 // importing a package failed; ends it, and the run unless ContinueOnError
)

// stateRow describes a state.
type stateRow struct {
	name    string   // the original's name, which String returns
	aliases []string // other spellings that ParseState accepts
	exits   []State  // the states that may follow; nil for a terminal state
}

// states is indexed by State.
var states = [...]stateRow{
	JobInitialized:     {"MirroringJobInitialized", []string{"JobInitialized"}, []State{JobInitialized, PackageInitialized, JobCompleted, ExportingError}},
	PackageInitialized: {"MirroringPackageInitialized", []string{"PackageInitialized"}, []State{Transferring, Transferred, ExportingError, TransferringError}},
	Transferring:       {"Transferring", []string{"Transfering"}, []State{Transferring, Transferred, TransferringError}},
	Transferred:        {"Transferred", nil, []State{PackageCompleted, ImportingError}},
	PackageCompleted:   {"MirroringPackageCompleted", []string{"PackageCompleted"}, nil},
	JobCompleted:       {"MirroringJobCompleted", []string{"JobCompleted"}, nil},
	ExportingError:     {"ExportingError", nil, nil},
	TransferringError:  {"TransferringError", []string{"TransferingError"}, nil},
	ImportingError:     {"ImportingError", nil, nil},
}

// States returns the nine states in the order of their numbers.
func States() []State {
	all := make([]State, 0, len(states)-1)
	for s := JobInitialized; s.Valid(); s++ {
		all = append(all, s)
	}
	return all
}

// Valid reports whether s is one of the nine states.
func (s State) Valid() bool { return s > 0 && int(s) < len(states) }

// String returns the original's name, such as MirroringJobInitialized. It returns
// "" for zero, and State(n) for a number that this version does not know.
func (s State) String() string {
	switch {
	case s == 0:
		return ""
	case !s.Valid():
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return states[s].name
}

// ParseState returns the state whose name is text: the original's name, in either
// of its spellings, or the Go name. Case does not matter.
func ParseState(text string) (State, error) {
	for _, s := range States() {
		if strings.EqualFold(text, states[s].name) {
			return s, nil
		}
		for _, alias := range states[s].aliases {
			if strings.EqualFold(text, alias) {
				return s, nil
			}
		}
	}
	return 0, fmt.Errorf("wire: no state is named %.64q; the states are %v", text, States())
}

// MarshalText returns the String. JSON holds a state in this form.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts what [ParseState] accepts, and "" for zero.
func (s *State) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*s = 0
		return nil
	}
	*s, err = ParseState(string(text))
	return err
}

// MayBecome reports whether next may follow s.
func (s State) MayBecome(next State) bool {
	return s.Valid() && slices.Contains(states[s].exits, next)
}

// IsError reports whether s is one of the three error states.
func (s State) IsError() bool {
	return s == ExportingError || s == TransferringError || s == ImportingError
}

// EndsRun reports whether an event of state s ends its run. continueOnError is the
// ContinueOnError of the run's InitializeData.
func (s State) EndsRun(continueOnError bool) bool {
	switch s {
	case JobCompleted, ExportingError:
		return true
	case TransferringError, ImportingError:
		return !continueOnError
	}
	return false
}
