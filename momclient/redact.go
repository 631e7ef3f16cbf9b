package momclient

import (
	"encoding/json"
	"fmt"
)

// redact.go keeps the token out of what is printed, logged and marshalled.
// Package fmt calls no method of a value in an unexported field, nor for a verb
// that fits no value (%p, %w), so that nothing here helps there.

// hidden stands for a token that is set.
const hidden = "(hidden)"

// Format implements [fmt.Formatter]. It prints o without the Token, with one
// exception: if a struct that is printed has Options, and not a pointer to them, in
// an unexported field, fmt prints the Token.
func (o Options) Format(f fmt.State, verb rune) {
	type plain Options // without methods
	if o.Token != "" {
		o.Token = hidden
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(o))
}

// MarshalJSON returns the fields of o that are data, without the Token.
func (o Options) MarshalJSON() ([]byte, error) {
	type plain Options
	return json.Marshal(struct {
		plain
		Token, TLS, DialContext, Listen, OnPanic, Logger any `json:",omitempty"`
	}{plain: plain(o)})
}
