package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/runlog"
)

// TestFormats: FORMATS.md lists the fields of a line of the history and of a
// message, each once and no others.
func TestFormats(t *testing.T) {
	text := read(t, "FORMATS.md")
	text, _, _ = strings.Cut(text, "\n## The list of servers\n")
	history, messages, _ := strings.Cut(text, "\n## The messages\n")
	for name, tc := range map[string]struct {
		text string
		of   []reflect.Type
	}{
		"the history":  {history, []reflect.Type{reflect.TypeFor[runlog.Run](), reflect.TypeFor[runlog.Error](), reflect.TypeFor[runlog.Gap]()}},
		"the messages": {messages, []reflect.Type{reflect.TypeFor[alert.Alert]()}},
	} {
		var listed, want []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\| (?:string|UUID|time|integer|boolean|object) \\|").FindAllStringSubmatch(tc.text, -1) {
			for field := range strings.SplitSeq(row[1], ", ") {
				listed = append(listed, strings.Trim(field, "`"))
			}
		}
		for _, typ := range tc.of {
			for i := range typ.NumField() {
				field, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				want = append(want, field)
			}
		}
		slices.Sort(listed)
		slices.Sort(want)
		if !slices.Equal(listed, want) {
			t.Errorf("of %s it lists\n\t%v, want\n\t%v", name, listed, want)
		}
	}
	for _, kind := range alert.Kinds() {
		if !strings.Contains(messages, "`"+string(kind)+"`") {
			t.Errorf("it does not list the kind %s", kind)
		}
	}
}
