package expositiontest

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Scrapes are pages of metrics that were read at equal intervals.
type Scrapes struct {
	Start    time.Time // of the first page
	Interval time.Duration
	Pages    []string
}

// Alerts are the alerts of one name that fire at one moment.
type Alerts struct {
	At   time.Duration // since the start
	Name string
	Want []Alert
}

// Alert is an alert that fires.
type Alert struct {
	Labels  map[string]string
	Summary string
}

// TestRules tests a file of rules with the pages. It checks that the pages have all
// metrics in the file that begin with the prefix. If promtool is installed, it also
// checks with that which alerts fire.
func TestRules(t *testing.T, rules, prefix string, scrapes Scrapes, alerts []Alerts) {
	t.Helper()
	series := scrapes.series(t)
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(prefix+`\w+`).FindAllString(string(text), -1)
	if len(names) == 0 {
		t.Errorf("%s has no metric that begins with %s", rules, prefix)
	}
	for _, name := range names {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(series)), func(key string) bool { return strings.HasPrefix(key, name+"{") }) {
			t.Errorf("no page has the metric %s", name)
		}
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("only the names of the metrics are tested, because promtool is not installed: %v", err)
	}
	test := filepath.Join(t.TempDir(), "test.json") // JSON is YAML
	if err := os.WriteFile(test, testFile(rules, scrapes.Interval, series, alerts), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "test", "rules", test).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// series returns the values of each series, in promtool's notation. In its tests time
// begins at 0, so the start is subtracted from points in time.
func (s *Scrapes) series(t *testing.T) map[string][]string {
	t.Helper()
	series := make(map[string][]string)
	for i, page := range s.Pages {
		all, err := Parse(page)
		if err != nil {
			t.Fatalf("page %d: %v\n%s", i, err, page)
		}
		for name, m := range all {
			for key, value := range m.Samples {
				if series[key] == nil {
					series[key] = slices.Repeat([]string{"_"}, len(s.Pages))
				}
				if strings.HasSuffix(name, "_timestamp_seconds") {
					value -= float64(s.Start.UnixNano()) / 1e9
				}
				series[key][i] = strconv.FormatFloat(value, 'f', -1, 64)
			}
		}
	}
	for _, values := range series { // a series that is missing from a page has ended
		for i := len(values) - 1; i > 0; i-- {
			if values[i] == "_" && values[i-1] != "_" {
				values[i] = "stale"
			}
		}
	}
	return series
}

// testFile returns the content of the test file for promtool.
func testFile(rules string, interval time.Duration, series map[string][]string, alerts []Alerts) []byte {
	type object = map[string]any
	var input, want []object
	for _, key := range slices.Sorted(maps.Keys(series)) {
		input = append(input, object{"series": key, "values": strings.Join(series[key], " ")})
	}
	for _, a := range alerts {
		firing := []object{}
		for _, one := range a.Want {
			firing = append(firing, object{"exp_labels": one.Labels, "exp_annotations": object{"summary": one.Summary}})
		}
		want = append(want, object{"eval_time": a.At.String(), "alertname": a.Name, "exp_alerts": firing})
	}
	abs, err := filepath.Abs(rules)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(object{
		"rule_files": []string{abs}, "evaluation_interval": interval.String(),
		"tests": []object{{"interval": interval.String(), "input_series": input, "alert_rule_test": want}},
	})
	if err != nil {
		panic(err)
	}
	return text
}
