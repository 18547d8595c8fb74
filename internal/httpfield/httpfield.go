// Package httpfield reads and writes HTTP header fields (RFC 9110): tokens, lists, cookies, credentials and challenges.
package httpfield

import "strings"

// EqualFold compares strings, ignoring ASCII case. strings.EqualFold alone also equates the Kelvin sign with k, but
// such letters have more bytes.
func EqualFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// IsToken reports whether text can be the name of a header field, a scheme, a cookie or a protocol (RFC 9110 §5.6.2).
func IsToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// IsQuotable reports whether text can be written between quotation marks without escapes: it has only printable ASCII,
// and neither quotation marks nor backslashes.
func IsQuotable(text string) bool { return !strings.ContainsFunc(text, isNotQuotable) }

func isNotQuotable(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// Contains reports whether the lines of a list field contain element, ignoring ASCII case (RFC 9110 §5.6.1).
func Contains(lines []string, element string) bool {
	for _, line := range lines {
		for e := range strings.SplitSeq(line, ",") {
			if EqualFold(strings.Trim(e, " \t"), element) {
				return true
			}
		}
	}
	return false
}

// After returns the element that follows marker in the lines of a list field, or "" if marker is the last element.
// count is how often the list contains marker; if it does more than once, count is 2.
func After(lines []string, marker string) (element string, count int) {
	next := false
	for _, line := range lines {
		for e := range strings.SplitSeq(line, ",") {
			e = strings.Trim(e, " \t")
			switch {
			case e == marker:
				if count++; count > 1 {
					return "", count
				}
				next = true
			case next:
				element, next = e, false
			}
		}
	}
	return element, count
}

// Cookie returns the value of a cookie in the lines of the Cookie field (RFC 6265 §4.2), without quotation marks. An
// empty value counts as none. count is how many such cookies there are; if there is more than one, count is 2.
//
// net/http skips cookies with invalid values, so it could return one cookie where there are two.
func Cookie(lines []string, name string) (value string, count int) {
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pairName, pairValue, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			pairValue = unquote(strings.Trim(pairValue, " \t"))
			if pairValue == "" || strings.Trim(pairName, " \t") != name {
				continue
			}
			if count++; count > 1 {
				return "", count
			}
			value = pairValue
		}
	}
	return value, count
}

func unquote(value string) string {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// CutScheme returns the credentials after the scheme in the value of an Authorization field (RFC 9110 §11.4). ok is
// false if the value has another scheme.
func CutScheme(value, scheme string) (credentials string, ok bool) {
	if len(value) < len(scheme) || value[:len(scheme)] != scheme && !EqualFold(value[:len(scheme)], scheme) {
		return "", false
	}
	credentials = value[len(scheme):]
	ok = credentials == "" || credentials[0] == ' ' || credentials[0] == '\t' // with a tab, the credentials are invalid
	// strings.TrimLeft would take 1 % of the time of a request
	for credentials != "" && credentials[0] == ' ' {
		credentials = credentials[1:]
	}
	return credentials, ok
}

// Parameter is a parameter of a challenge, with its Name and Value.
type Parameter struct{ Name, Value string }

// Challenges returns the value of a WWW-Authenticate field: a challenge for each scheme, with all parameters that have a
// value (RFC 9110 §11.6.1). Characters that are not quotable become question marks. Without a value there is an empty
// realm, because RFC 6750 §3 requires at least one parameter.
func Challenges(schemes []string, parameters []Parameter) string {
	list := make([]byte, 0, 128)
	for i, scheme := range schemes {
		if i > 0 {
			list = append(list, ", "...)
		}
		list = append(list, scheme...)
		separator := " "
		for _, p := range parameters {
			if p.Value != "" {
				list = appendParameter(append(list, separator...), p)
				separator = ", "
			}
		}
		if separator == " " {
			list = append(list, ` realm=""`...)
		}
	}
	return string(list)
}

func appendParameter(dst []byte, p Parameter) []byte {
	dst = append(append(dst, p.Name...), `="`...)
	for _, r := range p.Value {
		if isNotQuotable(r) {
			r = '?'
		}
		dst = append(dst, byte(r))
	}
	return append(dst, '"')
}
