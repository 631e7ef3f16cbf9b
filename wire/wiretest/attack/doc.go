// Package attack holds what hostile peers send, and measures what it costs to
// handle it: payloads that are made, damaged or random, captured streams,
// scripted connections, and the processor time and memory of a piece of work.
//
// It supports the tests of this module only. Nothing in it is promised.
package attack
