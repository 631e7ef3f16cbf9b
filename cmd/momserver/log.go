package main

import (
	"io"
	"log/slog"
	"regexp"
	"unicode/utf8"

	"mom.internal/wire"
)

// logLevels has the values of -log-level.
var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// newLogger returns the logger of -log-format and -log-level.
func (c *config) newLogger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: logLevels[c.logLevel], ReplaceAttr: byFlags}
	if c.logFormat == "json" {
		opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr { return escape(byFlags(groups, a)) }
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// settings matches the name of a setting in a message of the server library.
var settings = regexp.MustCompile(` \(Config\.(\w+)\)`)

// flagsOf has the flags of these settings.
var flagsOf = map[string]string{
	"CacheEvents": "cache-events", "MaxSubscribers": "max-subscribers", "MaxConns": "max-conns",
	"MaxConnsPerAddr": "max-conns-per-addr", "CallTimeout": "call-timeout", "Heartbeat": "heartbeat",
}

// byFlags replaces settings in texts and errors by flags. A setting without a
// flag is removed.
func byFlags(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	}
	if settings.MatchString(text) {
		a.Value = slog.StringValue(settings.ReplaceAllStringFunc(text, flagged))
	}
	return a
}

// escape escapes names, because JSON cannot express names that are not UTF-8. A message
// and an error may quote a name in a form of its own, so they are escaped only if they
// are not UTF-8. A text log needs no escape, because its handler quotes such values.
func escape(a slog.Attr) slog.Attr {
	text, isName := "", false
	switch v := a.Value.Any().(type) {
	case string:
		text, isName = v, a.Key != slog.MessageKey && a.Key != "error"
	case error:
		text = v.Error()
	}
	if isName || !utf8.ValidString(text) {
		a.Value = slog.StringValue(wire.EscapeName(text))
	}
	return a
}

// flagged returns a setting as a flag, or "" if it has none.
func flagged(setting string) string {
	if name := flagsOf[settings.FindStringSubmatch(setting)[1]]; name != "" {
		return " (-" + name + ")"
	}
	return ""
}
