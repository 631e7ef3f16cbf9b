package protocol

import (
	"encoding"
	stdgob "encoding/gob"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire/internal/gob"
	"mom.internal/wire/wiretest/attack"
)

// crossing are the types that cross the wire by themselves; what they are made
// of is found from them. TestServicesListed finds what is missing here.
var crossing = map[string]reflect.Type{
	"SubscribeArgs": reflect.TypeFor[SubscribeArgs](),
	"Subscribed":    reflect.TypeFor[Subscribed](),
	"Nothing":       reflect.TypeFor[Nothing](),
	"Credit":        reflect.TypeFor[Credit](),
	"HistoryArgs":   reflect.TypeFor[HistoryArgs](),
	"JobsArgs":      reflect.TypeFor[JobsArgs](),
	"Page":          reflect.TypeFor[Page](),
	"Batch":         reflect.TypeFor[Batch](),
	"Ack":           reflect.TypeFor[Ack](),
	"Goodbye":       reflect.TypeFor[Goodbye](),
	"record":        reflect.TypeFor[record](), // within Batch and Page
}

// methodsOf returns the methods of a receiver that net/rpc would serve, each
// with its two types, as they stand in a source file.
func methodsOf(t *testing.T, file, receiver string) map[string][]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	methods := make(map[string][]string)
	for _, decl := range parsed.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Recv == nil || !fn.Name.IsExported() || typeText(fn.Recv.List[0].Type) != receiver {
			continue
		}
		var params []string
		for _, p := range fn.Type.Params.List {
			for range max(1, len(p.Names)) {
				params = append(params, typeText(p.Type))
			}
		}
		methods[fn.Name.Name] = params
	}
	return methods
}

// typeText writes a type expression, pointers and package names left out.
func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeText(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return fmt.Sprintf("%T", e)
}

// TestServicesListed: the types in the methods of both services are in
// crossing, and the methods are those that calls.go names.
func TestServicesListed(t *testing.T) {
	named := []string{MethodSubscribe, MethodUnsubscribe, MethodCredit, MethodPing, MethodHistory, MethodJobs, MethodNotify, MethodGoodbye}
	found := []string{}
	used := map[string]bool{"record": true}
	for _, service := range []struct{ name, file, receiver string }{
		{ServerService, "../../momserver/service.go", "service"},
		{CallbackService, "../../momclient/callback.go", "callback"},
	} {
		for method, params := range methodsOf(t, service.file, service.receiver) {
			found = append(found, service.name+"."+method)
			if len(params) != 2 {
				t.Errorf("%s.%s has %d parameters: net/rpc skips it without a word", service.name, method, len(params))
			}
			for _, p := range params {
				used[p] = true
				if crossing[p] == nil {
					t.Errorf("%s.%s: %s crosses the wire and is not in this test's table", service.name, method, p)
				}
			}
		}
	}
	slices.Sort(named)
	slices.Sort(found)
	if !slices.Equal(named, found) {
		t.Errorf("served: %v;\nnamed in calls.go: %v", found, named)
	}
	for name := range crossing {
		if !used[name] {
			t.Errorf("%s is in this test's table and in no call", name)
		}
	}
}

// flat returns why a type may not cross the wire, "" where it may. within are
// the types around it.
func flat(typ reflect.Type, within []reflect.Type) string {
	if slices.Contains(within, typ) {
		return "contains itself"
	}
	switch typ {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[uuid.UUID]():
		return "" // they encode themselves
	}
	for _, own := range []reflect.Type{
		reflect.TypeFor[stdgob.GobEncoder](), reflect.TypeFor[stdgob.GobDecoder](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
	} {
		if reflect.PointerTo(typ).Implements(own) {
			return "encodes itself: its bytes would be nobody's to check"
		}
	}
	within = append(within, typ)
	switch typ.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return ""
	case reflect.Slice:
		return flat(typ.Elem(), within)
	case reflect.Pointer:
		if typ.Elem().Kind() != reflect.Struct {
			return "a pointer to what is no struct"
		}
		return flat(typ.Elem(), within)
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			switch why := flat(f.Type, within); {
			case !f.IsExported():
				return f.Name + ": not exported, and so not sent"
			case f.Anonymous:
				return f.Name + ": embedded"
			case why != "":
				return f.Name + ": " + why
			}
		}
		return ""
	}
	return "a " + typ.Kind().String()
}

// TestWireTypesAreFlat holds every type that crosses the wire to what gob's
// readers can be trusted with, tomorrow's fields too.
func TestWireTypesAreFlat(t *testing.T) {
	for name, typ := range crossing {
		if why := flat(typ, nil); why != "" {
			t.Errorf("%s: %s", name, why)
		}
		if typ.Name() != name {
			t.Errorf("%s stands for %v", name, typ)
		}
		// What is flat is taken.
		stream := new(gob.Stream)
		stream.Take(attack.Encode(reflect.New(typ).Interface()))
		if err := stream.Decode(nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFlatRefuses: the test above can fail.
func TestFlatRefuses(t *testing.T) {
	type inner struct{ S []map[int]int }
	type node struct{ Kids []node }
	for _, tc := range []struct {
		v    any
		want string
	}{
		{struct{ M map[int]int }{}, "M: a map"},
		{struct{ I []inner }{}, "I: S: a map"},
		{struct{ I any }{}, "I: a interface"},
		{struct{ F func() }{}, "F: a func"},
		{struct{ C chan int }{}, "C: a chan"},
		{struct{ A [2]int }{}, "A: a array"},
		{struct{ F float64 }{}, "F: a float64"},
		{struct{ P *int }{}, "P: a pointer to what is no struct"},
		{struct{ n int }{}, "n: not exported, and so not sent"},
		{node{}, "Kids: contains itself"},
		{struct{ G *gobSelf }{}, "G: encodes itself"},
	} {
		if why := flat(reflect.TypeOf(tc.v), nil); !strings.HasPrefix(why, tc.want) {
			t.Errorf("%T: %q; want %q", tc.v, why, tc.want)
		}
	}
}

type gobSelf struct{}

func (*gobSelf) GobEncode() ([]byte, error) { return nil, nil }
