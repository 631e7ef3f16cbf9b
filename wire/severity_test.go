package wire

import (
	"strings"
	"testing"
)

func TestSeverities(t *testing.T) {
	for _, p := range []struct {
		number   uint8
		severity Severity
		name     string
	}{
		{0, 0, ""},
		{1, SeverityProcessing, "Processing"},
		{2, SeverityWarning, "Warning"},
		{3, SeverityError, "Error"},
	} {
		if uint8(p.severity) != p.number || p.severity.String() != p.name {
			t.Errorf("severity %d is %q; the wire's are %d and %q", p.severity, p.severity, p.number, p.name)
		}
		if p.name != "" {
			for _, text := range []string{p.name, strings.ToLower(p.name), strings.ToUpper(p.name)} {
				if got, err := ParseSeverity(text); err != nil || got != p.severity {
					t.Errorf("ParseSeverity(%q) = %v, %v", text, got, err)
				}
			}
		}
		text, _ := p.severity.MarshalText()
		back := Severity(77)
		if err := back.UnmarshalText(text); err != nil || back != p.severity {
			t.Errorf("%q comes back as %v, %v", text, back, err)
		}
	}
	for severity, name := range map[Severity]string{4: "Severity(4)", 255: "Severity(255)"} { // of a later version
		text, err := severity.MarshalText()
		if severity.String() != name || string(text) != name || err != nil {
			t.Errorf("severity %d is %q, as text %q, %v; want %q", uint8(severity), severity, text, err, name)
		}
	}
	for _, text := range []string{"", "Fatal", "Severity(4)", "Warning "} {
		if got, err := ParseSeverity(text); err == nil || got != 0 {
			t.Errorf("ParseSeverity(%q) = %v, %v; want an error", text, got, err)
		}
	}
	var s Severity
	if err := s.UnmarshalText([]byte("Fatal")); err == nil {
		t.Errorf("Fatal became %v", s)
	}
}
