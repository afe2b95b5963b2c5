package attack

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Attacks are made of text. An encoder would never write most of them, so headers and claims are kept as the text they will be.

// An object is the text of a JSON object, member by member. Its methods return a changed copy.
type object []member

// A member is as it will stand there: name between its quotes, and value.
type member struct{ name, value string }

// with sets a member: in its place, or at the end if there is none.
func (o object) with(name, value string) object {
	changed := slices.Clone(o)
	for i := range changed {
		if changed[i].name == name {
			changed[i].value = value
			return changed
		}
	}
	return append(changed, member{name, value})
}

// and adds a member at the end, even where there is one of that name.
func (o object) and(name, value string) object {
	return append(slices.Clone(o), member{name, value})
}

// after adds a member at the beginning.
func (o object) after(name, value string) object {
	return append(object{{name, value}}, o...)
}

// without leaves members out.
func (o object) without(names ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return slices.Contains(names, m.name) })
}

// get returns a member's value.
func (o object) get(name string) string {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return ""
}

func (o object) String() string {
	parts := make([]string, len(o))
	for i, m := range o {
		parts[i] = `"` + m.name + `":` + m.value
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// Changes of one member, as attempts want them.

func setting(name, value string) func(object) object {
	return func(o object) object { return o.with(name, value) }
}

func adding(name, value string) func(object) object {
	return func(o object) object { return o.and(name, value) }
}

func dropping(names ...string) func(object) object {
	return func(o object) object { return o.without(names...) }
}

// quote returns s, which is valid UTF-8, as a JSON string.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// list returns a JSON list of strings.
func list(texts ...string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// repeated returns a JSON list of n times the same.
func repeated(value string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(value+",", n), ",") + "]"
}

// nested returns a JSON value n arrays deep.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// seconds returns a NumericDate.
func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// segment encodes a part of a token.
func segment[T string | []byte](b T) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

// cut returns the three segments of a token.
func cut(token string) (header, payload, signature string) {
	parts := strings.SplitN(token, ".", 3)
	return parts[0], parts[1], parts[2]
}
