// Package expositiontest has a strict reader of the Prometheus text format, for the
// tests of this module. Every scraper takes a page that the reader takes. Nothing
// in it is promised.
package expositiontest

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Metric is one family as read.
type Metric struct {
	Kind    string
	Help    string
	Samples map[string]float64 // by name and sorted labels, as name{a="b"}
	order   []string           // of the samples
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\n|\\")*)"(?:,|$)`)
	sampleLine = regexp.MustCompile(`^([^{ ]+)(?:\{(.+)\})? ([^ ]+)$`)
)

// Parse reads a page of metrics. It returns an error unless each metric has HELP
// and TYPE once, in this order, and all its samples follow them; no sample comes
// twice; counters, and nothing else, are named _total; no value is out of range;
// and histograms add up.
func Parse(text string) (map[string]*Metric, error) {
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return nil, fmt.Errorf("a byte that no scraper takes")
	}
	all := make(map[string]*Metric)
	var name string
	var m *Metric
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		fields := strings.SplitN(line, " ", 4)
		switch {
		case fields[0] != "#":
			if m == nil || m.Kind == "" {
				return nil, fmt.Errorf("no HELP and TYPE before %q", line)
			}
			if err := m.read(name, line); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
		case len(fields) != 4 || !metricName.MatchString(fields[2]):
			return nil, fmt.Errorf("%q is no comment of a metric", line)
		case fields[1] == "HELP":
			name, m = fields[2], &Metric{Help: fields[3], Samples: make(map[string]float64)}
			if all[name] != nil {
				return nil, fmt.Errorf("%s comes twice", name)
			}
			all[name] = m
		case fields[1] == "TYPE" && m != nil && fields[2] == name && m.Kind == "":
			if m.Kind = fields[3]; !slices.Contains([]string{"counter", "gauge", "histogram"}, m.Kind) {
				return nil, fmt.Errorf("%q is no kind of metric", m.Kind)
			}
		default:
			return nil, fmt.Errorf("%q is out of place", line)
		}
	}
	for name, m := range all {
		if err := m.check(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

// read reads a sample.
func (m *Metric) read(family, line string) error {
	parts := sampleLine.FindStringSubmatch(line)
	if parts == nil {
		return fmt.Errorf("no sample")
	}
	suffix, ok := strings.CutPrefix(parts[1], family)
	if !ok || suffix != "" && (m.Kind != "histogram" || !slices.Contains([]string{"_bucket", "_sum", "_count"}, suffix)) {
		return fmt.Errorf("not of the family %s", family)
	}
	labels, err := readLabels(parts[2])
	if err != nil {
		return err
	}
	value, err := strconv.ParseFloat(parts[3], 64)
	if err != nil {
		return err
	}
	key := parts[1]
	if len(labels) > 0 {
		var pairs []string
		for _, l := range slices.Sorted(maps.Keys(labels)) {
			pairs = append(pairs, fmt.Sprintf("%s=%q", l, labels[l]))
		}
		key += "{" + strings.Join(pairs, ",") + "}"
	}
	if _, twice := m.Samples[key]; twice {
		return fmt.Errorf("it comes twice")
	}
	m.Samples[key] = value
	m.order = append(m.order, key)
	return nil
}

// readLabels reads the labels between the braces.
func readLabels(text string) (map[string]string, error) {
	labels := make(map[string]string)
	for text != "" {
		pair := labelPair.FindStringSubmatch(text)
		if pair == nil {
			return nil, fmt.Errorf("no label: %q", text)
		}
		if _, twice := labels[pair[1]]; twice {
			return nil, fmt.Errorf("the label %s comes twice", pair[1])
		}
		labels[pair[1]] = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`).Replace(pair[2])
		text = text[len(pair[0]):]
	}
	return labels, nil
}

// check checks a whole family by the rules of its kind.
func (m *Metric) check(name string) error {
	if m.Kind == "" || len(m.Samples) == 0 {
		return fmt.Errorf("kind %q, %d samples", m.Kind, len(m.Samples))
	}
	if strings.HasSuffix(name, "_total") != (m.Kind == "counter") {
		return fmt.Errorf("named so, and a %s", m.Kind)
	}
	for key, value := range m.Samples {
		if m.Kind != "gauge" && (value < 0 || math.IsNaN(value)) {
			return fmt.Errorf("%s is %v", key, value)
		}
	}
	if m.Kind == "histogram" {
		return m.checkHistogram(name)
	}
	return nil
}

// checkHistogram checks that the buckets are cumulative, that the last one is +Inf,
// and that its value is the count.
func (m *Metric) checkHistogram(name string) error {
	bound, last, n := math.Inf(-1), 0.0, 0
	for _, key := range m.order {
		le, ok := strings.CutPrefix(key, name+`_bucket{le="`)
		if !ok {
			continue
		}
		next, err := strconv.ParseFloat(strings.TrimSuffix(le, `"}`), 64)
		if err != nil || next <= bound || m.Samples[key] < last {
			return fmt.Errorf("%s %v after %v %v: %v", key, m.Samples[key], bound, last, err)
		}
		bound, last, n = next, m.Samples[key], n+1
	}
	count, ok := m.Samples[name+"_count"]
	_, sum := m.Samples[name+"_sum"]
	if !ok || !sum || !math.IsInf(bound, 1) || last != count || len(m.Samples) != n+2 {
		return fmt.Errorf("the last bucket is %v %v, of %v", bound, last, count)
	}
	return nil
}
