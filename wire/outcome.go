package wire

import (
	"fmt"
	"strings"
)

// Outcome is how a run ended. Zero means that it has not ended. The numbers cross
// the wire and are append-only.
type Outcome uint8

// The four outcomes.
const (
	Succeeded           Outcome = 1 // completed without errors
	SucceededWithErrors Outcome = 2 // completed with errors; a package was imported, or there was none to move
	Failed              Outcome = 3 // ended by an error or left without an end, or every package failed
	Cancelled           Outcome = 4 // broken off on purpose
)

var outcomes = [...]string{"", "Succeeded", "SucceededWithErrors", "Failed", "Cancelled"}

// Outcomes returns the four outcomes in the order of their numbers.
func Outcomes() []Outcome { return []Outcome{Succeeded, SucceededWithErrors, Failed, Cancelled} }

// Valid reports whether o is one of the four outcomes.
func (o Outcome) Valid() bool { return o > 0 && int(o) < len(outcomes) }

// String returns the Go name, such as SucceededWithErrors. It returns "" for zero,
// and Outcome(n) for a number that this version does not know.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// ParseOutcome returns the outcome whose name is text. Case does not matter.
func ParseOutcome(text string) (Outcome, error) {
	for _, o := range Outcomes() {
		if strings.EqualFold(text, o.String()) {
			return o, nil
		}
	}
	return 0, fmt.Errorf("wire: no outcome is named %.64q; the outcomes are %v", text, Outcomes())
}

// MarshalText returns the String. JSON holds an outcome in this form.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText accepts what [ParseOutcome] accepts, and "" for zero.
func (o *Outcome) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*o = 0
		return nil
	}
	*o, err = ParseOutcome(string(text))
	return err
}
