package memstore

import (
	"iter"
	"slices"
)

// pageSize is how many members a page of an ordered set holds: small enough to move about, large enough that a million
// members are a few thousand pages.
const pageSize = 512

// An ordered set keeps its members in ascending order, as an index of a database does, so that a list can begin anywhere
// without sorting and without a look at what lies before. They stand in pages: adding or dropping one moves at most a page of
// members and the list of pages. Ids that begin with the time are added at the end, which moves nothing.
//
// A page that empties is dropped; half-empty ones are not joined, because what is kept here leaves roughly in the order in
// which it came.
//
// The zero value has no compare and is of no use. No two members may be equal.
type ordered[T any] struct {
	compare func(a, b T) int
	pages   [][]T // none of them empty
}

// seek returns the page and the place of the first member that is not before x; page is len(o.pages) if there is none.
func (o *ordered[T]) seek(x T) (page, place int) {
	page, _ = slices.BinarySearchFunc(o.pages, x, func(p []T, x T) int { return o.compare(p[len(p)-1], x) })
	if page < len(o.pages) {
		place, _ = slices.BinarySearchFunc(o.pages[page], x, o.compare)
	}
	return page, place
}

// insert adds x.
func (o *ordered[T]) insert(x T) {
	page, place := o.seek(x)
	if page == len(o.pages) { // x is the last of all: on the last page, while there is room
		if page == 0 || len(o.pages[page-1]) == pageSize {
			o.pages = append(o.pages, []T{x})
			return
		}
		page--
		place = len(o.pages[page])
	}
	o.pages[page] = slices.Insert(o.pages[page], place, x)
	if len(o.pages[page]) > pageSize {
		o.split(page)
	}
}

// split makes two pages of one.
func (o *ordered[T]) split(page int) {
	full := o.pages[page]
	half := len(full) / 2
	o.pages = slices.Insert(o.pages, page+1, slices.Clone(full[half:]))
	o.pages[page] = slices.Delete(full, half, len(full))
}

// remove drops x, if it is there.
func (o *ordered[T]) remove(x T) {
	page, place := o.seek(x)
	if page == len(o.pages) || o.compare(o.pages[page][place], x) != 0 {
		return
	}
	o.pages[page] = slices.Delete(o.pages[page], place, place+1)
	if len(o.pages[page]) == 0 {
		o.pages = slices.Delete(o.pages, page, page+1)
	}
}

// from yields the members that are not before x, in order. The set must not change meanwhile.
func (o *ordered[T]) from(x T) iter.Seq[T] {
	return func(yield func(T) bool) {
		page, place := o.seek(x)
		for ; page < len(o.pages); page, place = page+1, 0 {
			for _, member := range o.pages[page][place:] {
				if !yield(member) {
					return
				}
			}
		}
	}
}

// first returns the first member, if there is one.
func (o *ordered[T]) first() (x T, ok bool) {
	if len(o.pages) == 0 {
		return x, false
	}
	return o.pages[0][0], true
}
