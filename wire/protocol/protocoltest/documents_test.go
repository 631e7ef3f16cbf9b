package protocoltest

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// read returns the text of the files that fit the pattern.
func read(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	if err != nil || len(files) == 0 {
		t.Errorf("there is no %s", pattern)
	}
	return all.String()
}

// TestThreats: the tests and settings that THREATS.md names exist.
func TestThreats(t *testing.T) {
	text := read(t, "../THREATS.md")
	for _, name := range regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(text, -1) {
		if !strings.Contains(read(t, "../../../"+name[1]+"/*_test.go"), "\nfunc "+name[2]+"(") {
			t.Errorf("%s has no %s", name[1], name[2])
		}
	}
	for _, name := range regexp.MustCompile(`(Config|Options)\.(\w+)`).FindAllStringSubmatch(text, -1) {
		settings := reflect.TypeFor[momserver.Config]()
		if name[1] == "Options" {
			settings = reflect.TypeFor[momclient.Options]()
		}
		if _, ok := settings.FieldByName(name[2]); !ok {
			t.Errorf("%s has no field %s", name[1], name[2])
		}
	}
}

// TestJSON: JSON.md lists the fields of an event, each once and no others.
func TestJSON(t *testing.T) {
	listed := make(map[string]int)
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\| (?:[a-z]+|UUID|array of objects) \\|").FindAllStringSubmatch(read(t, "../JSON.md"), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			listed[strings.Trim(name, "`")]++
		}
	}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range typ.NumField() {
			field := typ.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			listed[name]--
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[wire.Event]())
	for name, n := range listed {
		if n != 0 {
			t.Errorf("%s is listed %d times too often", name, n)
		}
	}
}
