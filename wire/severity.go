package wire

import (
	"fmt"
	"strings"
)

// Severity is how serious a log entry is. Zero means that none is given. The
// numbers cross the wire and rise with the severity.
type Severity uint8

// The original's three severities.
const (
	SeverityProcessing Severity = 1 // a note
	SeverityWarning    Severity = 2 // something was left out or corrected; the run goes on
	SeverityError      Severity = 3 // a package or the run failed
)

var severities = [...]string{"", "Processing", "Warning", "Error"}

// String returns the name, "" for zero.
func (s Severity) String() string {
	if int(s) < len(severities) {
		return severities[s]
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// ParseSeverity returns the severity whose name is text. Case does not matter.
func ParseSeverity(text string) (Severity, error) {
	for i, name := range severities {
		if i > 0 && strings.EqualFold(text, name) {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("wire: no severity is named %.64q; there are Processing, Warning, Error", text)
}

// MarshalText returns the String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts what [ParseSeverity] accepts, and "" for zero.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*s = 0
		return nil
	}
	*s, err = ParseSeverity(string(text))
	return err
}
