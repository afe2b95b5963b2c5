package sqlitestore

// Bell returns what is closed when s has written that something died.
func (s *Store) Bell() <-chan struct{} { return s.bell.listen() }
