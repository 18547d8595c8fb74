// Package expiring provides a map with a maximum number of entries, each with its own expiry. If there are too many
// entries, the least recently used one is dropped.
package expiring

import (
	"container/list"
	"time"
)

// Map is a bounded map. Create it with [New]. It is not safe for concurrent use.
type Map[K comparable, V any] struct {
	limit int
	order *list.List // the entries, the most recently used first
	byKey map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
	end   time.Time
}

// New returns a map with at most limit entries. limit must be positive.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{limit: limit, order: list.New(), byKey: map[K]*list.Element{}}
}

// Get returns the value of key, and false if there is none or it has expired. It counts as a use.
func (m *Map[K, V]) Get(key K, now time.Time) (V, bool) {
	element, ok := m.byKey[key]
	if !ok {
		var none V
		return none, false
	}
	e, _ := element.Value.(*entry[K, V])
	if !now.Before(e.end) {
		m.remove(element)
		var none V
		return none, false
	}
	m.order.MoveToFront(element)
	return e.value, true
}

// Put sets the value of key, which expires at end.
func (m *Map[K, V]) Put(key K, value V, end time.Time) {
	if element, ok := m.byKey[key]; ok {
		m.remove(element)
	}
	if m.order.Len() >= m.limit {
		m.remove(m.order.Back())
	}
	m.byKey[key] = m.order.PushFront(&entry[K, V]{key, value, end})
}

// Extend sets the expiry of key's entry to end, if there is one.
func (m *Map[K, V]) Extend(key K, end time.Time) {
	if element, ok := m.byKey[key]; ok {
		e, _ := element.Value.(*entry[K, V])
		e.end = end
	}
}

// Delete removes the entry of key, if there is one.
func (m *Map[K, V]) Delete(key K) {
	if element, ok := m.byKey[key]; ok {
		m.remove(element)
	}
}

// Len returns the number of entries, including expired ones.
func (m *Map[K, V]) Len() int { return m.order.Len() }

func (m *Map[K, V]) remove(element *list.Element) {
	e, _ := m.order.Remove(element).(*entry[K, V])
	delete(m.byKey, e.key)
}
