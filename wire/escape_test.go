package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEscapeName leaves names as they are that are valid UTF-8 and have nothing
// that looks like an escape.
func TestEscapeName(t *testing.T) {
	for name, want := range map[string]string{
		"":                    "",
		"visit/öppettider 日本": "visit/öppettider 日本",
		`C:\new\x files\`:     `C:\new\x files\`,
		"said \ufffd\n":       "said \ufffd\n",
		"caf\xe9":             `caf\xe9`,
		"\xff\xfe":            `\xff\xfe`,
		"half \xe6\x97":       `half \xe6\x97`,
		`caf\xe9`:             `caf\x5cxe9`,
		`caf\xE9 \x41 \xg0`:   `caf\xE9 \x41 \xg0`,
		`\x5c`:                `\x5cx5c`,
		`\\xff`:               `\\x5cxff`,
		"\\\xff":              `\\xff`,
		"\\x\xff":             `\x\xff`,
		`end\x8`:              `end\x8`,
		`\x+f\x_f`:            `\x+f\x_f`,
	} {
		got := EscapeName(name)
		if got != want || UnescapeName(got) != name {
			t.Errorf("%q: %s, want %s; and back %q", name, got, want, UnescapeName(got))
		}
	}
}

// FuzzEscapeName: the form is valid UTF-8, and UnescapeName reverses it.
func FuzzEscapeName(f *testing.F) {
	for _, name := range []string{"", "a", "caf\xe9", `caf\xe9`, `\x5cxff`, "\\x\xff", `\\x80`, "\\\\\xff", `\x5`, "\ufffd"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		text := EscapeName(name)
		if back := UnescapeName(text); back != name || !utf8.ValidString(text) {
			t.Errorf("%q: %q, and back %q", name, text, back)
		}
	})
}

// TestEscaped: JSON of the copy has every string, and the event itself does not
// change.
func TestEscaped(t *testing.T) {
	const bad = "\xff\xfe"
	e := Event{Data: TransferData{
		Initialize: &InitializeData{Name: bad, SourcePath: bad, DestinationPath: bad, DestinationRoot: bad},
		Header:     &PackageHeader{TargetFilePath: bad},
		Body:       &PackageBody{Item: bad},
		Status:     Status{Log: []LogEntry{{Item: bad, Message: "open " + bad}, {Item: `\xff`, Message: `job "\xff"`}}},
	}}
	shown := e.Escaped()
	text, err := json.Marshal(&shown)
	if err != nil || strings.Contains(string(text), "ufffd") || strings.Count(string(text), `\\xff\\xfe`) != 8 {
		t.Errorf("%s, %v", text, err)
	}
	if !strings.Contains(string(text), `"item":"\\x5cxff","message":"job \"\\xff\""`) {
		t.Errorf("%s", text)
	}
	if e.Name() != bad || e.Data.Header.TargetFilePath != bad || e.Data.Body.Item != bad || e.Data.Status.Log[0].Item != bad {
		t.Errorf("the event has changed: %+v", e)
	}
	// Every string of an event is covered, even if fields are added.
	fill(reflect.ValueOf(&e).Elem(), bad)
	shown = e.Escaped()
	text, _ = json.Marshal(&shown)
	if strings.Contains(string(text), "ufffd") {
		t.Errorf("%s", text)
	}
	plain := Event{Data: TransferData{Initialize: &InitializeData{Name: "a"}, Body: &PackageBody{}}}
	if shown := plain.Escaped(); shown.Data.Initialize != plain.Data.Initialize || shown.Data.Body != plain.Data.Body {
		t.Error("the parts are copied without need")
	}
}

// fill sets every string in v.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			fill(v.Elem(), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text)
			}
		}
	}
}
