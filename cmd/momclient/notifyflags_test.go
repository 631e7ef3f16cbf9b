package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/alert"
)

// TestNotifyFlags reads who gets what, in any order of the flags.
func TestNotifyFlags(t *testing.T) {
	c, err := parseFlags([]string{
		"-notify-format", "text", "-notify", "https://a", "-notify", "sort ann", "-notify-format", "cloudevents", "-notify", "https://b", "-notify-format", "slack",
		"-stale", "26h", "-stale", "site=to=staging=2h", "-stalled", "10m",
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &c.notify
	if n.stale != 26*time.Hour || n.staleJobs["site=to=staging"] != 2*time.Hour || n.stalled != 10*time.Minute {
		t.Errorf("%+v", n)
	}
	var formats []string
	for i := range n.to {
		formats = append(formats, n.format(i))
	}
	if !slices.Equal(formats, []string{"text", "cloudevents", "slack"}) {
		t.Errorf("formats %v", formats)
	}
	sinks, err := n.sinks()
	if err != nil || len(sinks) != 3 || sinks[0].Label != "https://a" {
		t.Errorf("%+v %v", sinks, err)
	}
}

// TestNotifyKinds has the default kinds, with stalled if that has a time, and for a
// dead man's switch the beginning and the end of each run.
func TestNotifyKinds(t *testing.T) {
	for args, want := range map[string]string{
		"-notify true":                                    "failed lost recovered stale",
		"-notify true -stalled 1m":                        "failed lost recovered stale stalled",
		"-notify true -notify-on completed,FAILED":        "completed failed",
		"-notify https://a -notify-format ping -job site": "broken started succeeded",
		"-notify true -notify-on stale -stale 1h":         "stale",
		"-notify https://a -notify true -notify-format text -notify-format text -notify-on failed": "failed",
	} {
		c, err := parseFlags(strings.Fields(args))
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		sinks, err := c.notify.sinks()
		if err != nil {
			t.Fatal(err)
		}
		rules := c.notify.rules(sinks, nil)
		var got []string
		for _, kind := range append(alert.Kinds(), alert.Started, alert.Succeeded, alert.Broken) {
			if rules.Kinds[kind] {
				got = append(got, string(kind))
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", args, got, want)
		}
	}
}

// TestSameLabels numbers the receivers whose labels are the same, and no others.
func TestSameLabels(t *testing.T) {
	c, err := parseFlags([]string{"-notify", "https://hooks.example/secret1", "-notify", "true", "-notify", "https://hooks.example/secret2"})
	if err != nil {
		t.Fatal(err)
	}
	sinks, err := c.notify.sinks()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sinks {
		got = append(got, s.Label)
	}
	if want := []string{"https://hooks.example (1)", "command true", "https://hooks.example (2)"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
