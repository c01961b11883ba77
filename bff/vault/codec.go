package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"locum/bff/secret"
)

// codec writes a record, or reads one, by visiting its fields in the order of their tags. The same visit serves both ways,
// so the two cannot differ. The form of each field is
//
//	tag: uvarint | length: uvarint | bytes
//
// Empty fields are left out; lists and maps repeat their tag. Numbers are varints (encoding/binary), times nanoseconds
// since 1970 UTC, map entries key length: uvarint | key | value. There is no form for an unknown tag: a record that gains a
// field gains a schema version.
type codec struct {
	out     []byte
	in      string // what is left to read
	reading bool
	err     error
}

var errMalformed = errors.New("malformed record")

// encode visits with writing.
func encode(fields func(*codec)) ([]byte, error) {
	c := &codec{out: make([]byte, 0, 512)}
	fields(c)
	return c.out, c.err
}

// decode visits with reading; the visit must use up all of plain.
func decode(plain []byte, fields func(*codec)) error {
	c := &codec{in: string(plain), reading: true}
	fields(c)
	if c.err == nil && c.in != "" {
		c.err = fmt.Errorf("%w: %d bytes left", errMalformed, len(c.in))
	}
	return c.err
}

// take reads the next field if it has this tag. The string shares the memory of the whole record.
func (c *codec) take(tag uint64) (string, bool) {
	if c.err != nil || c.in == "" {
		return "", false
	}
	got, n := uvarint(c.in)
	if n > 0 && got != tag {
		return "", false
	}
	size, m := uvarint(c.in[max(n, 0):])
	if n <= 0 || m <= 0 || size > uint64(len(c.in)-n-m) {
		c.err = errMalformed
		return "", false
	}
	end := n + m + int(size)
	value := c.in[n+m : end]
	c.in = c.in[end:]
	return value, true
}

func (c *codec) put(tag uint64, value string) {
	c.out = binary.AppendUvarint(c.out, tag)
	c.out = binary.AppendUvarint(c.out, uint64(len(value)))
	c.out = append(c.out, value...)
}

// uvarint is binary.Uvarint for a string, with the short way for one byte.
func uvarint(s string) (uint64, int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	var buf [binary.MaxVarintLen64]byte
	return binary.Uvarint(buf[:copy(buf[:], s)])
}

func (c *codec) text(tag uint64, p *string) {
	if c.reading {
		if v, ok := c.take(tag); ok {
			*p = v
		}
	} else if *p != "" {
		c.put(tag, *p)
	}
}

func (c *codec) secret(tag uint64, p *secret.String) {
	v := p.Reveal()
	c.text(tag, &v)
	if c.reading {
		*p = secret.New(v)
	}
}

func (c *codec) texts(tag uint64, p *[]string) {
	if !c.reading {
		for _, v := range *p {
			c.put(tag, v)
		}
		return
	}
	for v, ok := c.take(tag); ok; v, ok = c.take(tag) {
		if *p == nil {
			*p = make([]string, 0, 8)
		}
		*p = append(*p, v)
	}
}

func (c *codec) pairs(tag uint64, p *map[string]string) {
	if !c.reading {
		for _, k := range sortedKeys(*p) {
			c.put(tag, string(binary.AppendUvarint(nil, uint64(len(k))))+k+(*p)[k])
		}
		return
	}
	for v, ok := c.take(tag); ok; v, ok = c.take(tag) {
		size, n := uvarint(v)
		if n <= 0 || size > uint64(len(v)-n) {
			c.err = errMalformed
			return
		}
		if *p == nil {
			*p = map[string]string{}
		}
		(*p)[v[n:n+int(size)]] = v[n+int(size):]
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// number visits a signed number; 0 is left out.
func (c *codec) number(tag uint64, p *int64) {
	if !c.reading {
		if *p != 0 {
			c.put(tag, string(binary.AppendVarint(nil, *p)))
		}
		return
	}
	if v, ok := c.take(tag); ok {
		var buf [binary.MaxVarintLen64]byte
		n, size := binary.Varint(buf[:copy(buf[:], v)])
		if size != len(v) {
			c.err = errMalformed
			return
		}
		*p = n
	}
}

func (c *codec) count(tag uint64, p *int) {
	n := int64(*p)
	c.number(tag, &n)
	*p = int(n)
}

func (c *codec) fence(tag uint64, p *uint64) {
	n := int64(*p) // the bits, so that none is lost
	c.number(tag, &n)
	*p = uint64(n)
}

func (c *codec) flag(tag uint64, p *bool) {
	var n int64
	if *p {
		n = 1
	}
	c.number(tag, &n)
	*p = n != 0
}

func (c *codec) duration(tag uint64, p *time.Duration) {
	n := int64(*p)
	c.number(tag, &n)
	*p = time.Duration(n)
}

var (
	earliest = time.Unix(0, math.MinInt64)
	latest   = time.Unix(0, math.MaxInt64)
)

// time visits a moment, read back in UTC without a monotonic part. A time before 1678 or after 2262 is an error.
func (c *codec) time(tag uint64, p *time.Time) {
	if !c.reading && p.IsZero() {
		return
	}
	if !c.reading && (p.Before(earliest) || p.After(latest)) {
		c.err = fmt.Errorf("vault: the time %v cannot be stored", *p)
		return
	}
	if c.reading {
		if v, ok := c.take(tag); ok {
			if len(v) != 8 {
				c.err = errMalformed
				return
			}
			*p = time.Unix(0, int64(binary.BigEndian.Uint64([]byte(v)))).UTC()
		}
		return
	}
	c.put(tag, string(binary.BigEndian.AppendUint64(nil, uint64(p.UnixNano()))))
}

// nested visits a list of records without seals of their own: each element is a field that holds its fields.
func nested[T any](c *codec, tag uint64, p *[]T, fields func(*T, *codec)) {
	if !c.reading {
		for i := range *p {
			plain, err := encode(func(e *codec) { fields(&(*p)[i], e) })
			if err != nil {
				c.err = err
				return
			}
			c.put(tag, string(plain))
		}
		return
	}
	for v, ok := c.take(tag); ok; v, ok = c.take(tag) {
		var one T
		d := &codec{in: v, reading: true}
		if fields(&one, d); d.err == nil && d.in != "" {
			d.err = errMalformed
		}
		if d.err != nil {
			c.err = d.err
			return
		}
		*p = append(*p, one)
	}
}
