// Package secret looks for a secret in everything that prints a value.
//
// It supports the tests of this module only. Nothing in it is promised.
package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"text/template"
)

// Hidden prints v, and structs, slices and maps with v and with pointers to v,
// in every way of package fmt, log/slog, encoding/json, log and text/template,
// and fails if one of them shows the secret, or says nothing of shows. For
// a pointer in an unexported field, and for a slog.Attr, it leaves out the
// verbs that do not fit, because fmt then calls no method.
func Hidden[T any](t *testing.T, v T, secret, shows string) {
	t.Helper()
	p := &v
	for name, value := range map[string]any{
		"value": v, "pointer": p, "struct": struct{ V T }{v}, "struct of a pointer": struct{ V *T }{p},
		"pointer to a struct": &struct{ V T }{v}, "struct of any": struct{ V any }{v}, "embedded struct": struct{ In struct{ V T } }{struct{ V T }{v}},
		"hidden pointer": struct{ v *T }{p}, "slice": []T{v}, "slice of pointers": []*T{p}, "slice of any": []any{v, p}, "array": [1]T{v},
		"map": map[string]T{"k": v}, "map of pointers": map[string]*T{"k": p}, "slice of attributes": []slog.Attr{slog.Any("k", v)},
	} {
		for how, text := range prints(value) {
			if name == "hidden pointer" && strings.Contains("%s %+s %q %#q %t %c %U %e %-10s", how) || name == "slice of attributes" && strings.Contains("%#v %d %o %b %t %c %U %e", how) {
				continue
			}
			for form, hides := range map[string]string{
				"": secret, " in hexadecimal": hex.EncodeToString([]byte(secret)), " in base64": base64.StdEncoding.EncodeToString([]byte(secret)),
				" as bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
			} {
				if strings.Contains(strings.ToLower(text), strings.ToLower(hides)) {
					t.Errorf("%s, %s: shows the secret%s: %s", name, how, form, text)
				}
			}
			if name == "value" && (how == "%+v" || how == "json") && !strings.Contains(text, shows) {
				t.Errorf("%s: does not show %s: %s", how, shows, text)
			}
		}
	}
}

// prints returns what the ways to print a value make of it.
func prints(v any) map[string]string {
	said := map[string]string{"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln(v), "Errorf": fmt.Errorf("%v", v).Error()}
	for _, verb := range strings.Fields("%v %+v %#v %s %+s %q %#q %x %X %#x %d %o %b %t %c %U %e %10v %-10s %T") {
		said[verb] = fmt.Sprintf(verb, v)
	}
	var out bytes.Buffer
	log.New(&out, "", 0).Print(v)
	said["log"] = take(&out)
	for name, h := range map[string]slog.Handler{"slog text": slog.NewTextHandler(&out, nil), "slog json": slog.NewJSONHandler(&out, nil)} {
		l := slog.New(h)
		l.Info("m", "k", v)
		l.Info("m", slog.Group("g", "k", v, slog.Group("h", slog.Any("k", v))))
		l.Info("m", "k", slog.GroupValue(slog.Any("k", v)))
		l.Info("m", "k", slog.AnyValue(v))
		l.Info("m", "k", valuer{v})
		l.WithGroup("g").With("k", v).Info("m", "k", []any{v})
		said[name] = take(&out)
	}
	text, err := json.Marshal(v)
	said["json"] = fmt.Sprint(string(text), err)
	err = template.Must(template.New("").Parse("{{.}} {{printf `%+v` .}} {{print .}}")).Execute(&out, v)
	said["template"] = fmt.Sprint(take(&out), err)
	return said
}

func take(out *bytes.Buffer) string {
	defer out.Reset()
	return out.String()
}

// valuer is a LogValuer.
type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }
