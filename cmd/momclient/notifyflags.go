package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/sink"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// notifyConfig has the values of the flags that say who gets which messages.
type notifyConfig struct {
	to        []string // URLs, commands, and @FILE
	formats   []string
	kinds     []alert.Kind // nil for the default
	stale     time.Duration
	staleJobs map[string]time.Duration // by name or ID
	stalled   time.Duration
}

// defaultKinds is the default of -notify-on. With -stalled, that kind is added.
var defaultKinds = []alert.Kind{alert.Failed, alert.Recovered, alert.Stale, alert.Lost}

func (c *notifyConfig) add(text string) error {
	first, _, _ := strings.Cut(text, " ")
	if scheme, _, has := strings.Cut(first, "://"); has && !sink.IsURL(text) {
		return fmt.Errorf("want a URL of http or https, a command, or @FILE, and not %s://", duplex.Clip(scheme, 20))
	}
	if strings.TrimSpace(text) == "" {
		return errors.New("want a URL, a command, or @FILE with one of them in its first line")
	}
	c.to = append(c.to, text)
	return nil
}

func (c *notifyConfig) addKinds(text string) error {
	for _, name := range splitList(text) {
		kind := alert.Kind(strings.ToLower(name))
		if !slices.Contains(alert.Kinds(), kind) {
			return fmt.Errorf("no kind has the name %q; the kinds are %s", duplex.Clip(name, 64), kindNames(alert.Kinds()))
		}
		c.kinds = append(c.kinds, kind)
	}
	if len(c.kinds) == 0 {
		return errors.New("want the name of a kind")
	}
	return nil
}

func kindNames(kinds []alert.Kind) string {
	var names []string
	for _, kind := range kinds {
		names = append(names, string(kind))
	}
	return strings.Join(names, ",")
}

func (c *notifyConfig) addFormat(text string) error {
	if !slices.Contains(sink.Formats(), text) {
		return fmt.Errorf("want one of %s", strings.Join(sink.Formats(), ", "))
	}
	c.formats = append(c.formats, text)
	return nil
}

// setStale takes a time for all jobs, or NAME=TIME for one.
func (c *notifyConfig) setStale(text string) error {
	at := strings.LastIndexByte(text, '=')
	limit, err := time.ParseDuration(text[at+1:])
	if err != nil || limit <= 0 || at == 0 {
		return errors.New(`want a time over 0, as 26h, or with a job, as "site to staging=2h"`)
	}
	if at < 0 {
		c.stale = limit
		return nil
	}
	if c.staleJobs == nil {
		c.staleJobs = make(map[string]time.Duration)
	}
	c.staleJobs[wire.EscapeName(wire.UnescapeName(text[:at]))] = limit
	return nil
}

func (c *notifyConfig) setStalled(text string) error {
	limit, err := time.ParseDuration(text)
	if err != nil || limit <= 0 {
		return errors.New("want a time over 0, as 10m")
	}
	c.stalled = limit
	return nil
}

// check refuses combinations of flags, each of which is right alone. oneJob reports
// whether -job selects one job.
func (c *notifyConfig) check(oneJob bool) error {
	for _, f := range []struct {
		name  string
		given bool
	}{{"-notify-on", c.kinds != nil}, {"-notify-format", c.formats != nil}, {"-stale", c.stale > 0 || c.staleJobs != nil}, {"-stalled", c.stalled > 0}} {
		if f.given && len(c.to) == 0 {
			return usagef("%s goes with -notify only; add that, or leave out %s", f.name, f.name)
		}
	}
	stale := c.stale > 0 || c.staleJobs != nil
	switch has := func(kind alert.Kind) bool { return c.kinds != nil && slices.Contains(c.kinds, kind) }; {
	case has(alert.Stale) && !stale:
		return usagef("-notify-on stale needs a time, as -stale 26h")
	case has(alert.Stalled) && c.stalled == 0:
		return usagef("-notify-on stalled needs a time, as -stalled 10m")
	case c.kinds != nil && stale && !has(alert.Stale):
		return usagef("-stale has no effect without stale in -notify-on; add it there, or leave out -stale")
	case c.kinds != nil && c.stalled > 0 && !has(alert.Stalled):
		return usagef("-stalled has no effect without stalled in -notify-on; add it there, or leave out -stalled")
	}
	if n := len(c.formats); n > 1 && n != len(c.to) {
		return usagef("-notify-format is given %d times, and -notify %d times; give the format once for all, or once for each -notify, in their order", n, len(c.to))
	}
	for i := range c.to {
		if c.format(i) == "ping" && !oneJob {
			return usagef("-notify-format ping is for one job, because its URL stands for one check; name the job with -job")
		}
	}
	return nil
}

// format returns the format of the receiver.
func (c *notifyConfig) format(i int) string {
	switch len(c.formats) {
	case 0:
		return "cloudevents"
	case 1:
		return c.formats[0]
	}
	return c.formats[i]
}

// chosen returns the kinds of -notify-on.
func (c *notifyConfig) chosen() map[alert.Kind]bool {
	kinds := c.kinds
	if kinds == nil {
		kinds = defaultKinds
		if c.stalled > 0 {
			kinds = append(slices.Clip(kinds), alert.Stalled)
		}
	}
	chosen := make(map[alert.Kind]bool)
	for _, kind := range kinds {
		chosen[kind] = true
	}
	return chosen
}

// sinks returns the receivers.
func (c *notifyConfig) sinks() ([]*sink.Sink, error) {
	var all []*sink.Sink
	for i, value := range c.to {
		s, err := sink.New(value, c.format(i), c.chosen())
		if err != nil && strings.HasPrefix(value, "@") {
			return nil, fmt.Errorf("-notify: %w", err)
		}
		if err != nil {
			return nil, usagef("-notify: %w", err)
		}
		for _, other := range all {
			if other.Key == s.Key {
				return nil, usagef("-notify names %s twice with the same value; leave one out", s.Label)
			}
		}
		all = append(all, s)
	}
	number(all)
	return all, nil
}

// number numbers the receivers with the same label, so that people can tell them apart
// although a label reveals no secret.
func number(sinks []*sink.Sink) {
	count, n := make(map[string]int), make(map[string]int)
	for _, s := range sinks {
		count[s.Label]++
	}
	for _, s := range sinks {
		if label := s.Label; count[label] > 1 {
			n[label]++
			s.Label = fmt.Sprintf("%s (%d)", label, n[label])
		}
	}
}

// rules returns the rules of the messages to the receivers. names are the jobs of
// -job.
func (c *notifyConfig) rules(sinks []*sink.Sink, names []string) alert.Rules {
	kinds := make(map[alert.Kind]bool)
	for _, kind := range append(alert.Kinds(), alert.Started, alert.Succeeded, alert.Broken) {
		for _, s := range sinks {
			kinds[kind] = kinds[kind] || s.Takes(&alert.Alert{Kind: kind, Job: "any"})
		}
	}
	return alert.Rules{Kinds: kinds, Stale: c.stale, StaleJobs: c.staleJobs, Stalled: c.stalled, Names: names}
}
