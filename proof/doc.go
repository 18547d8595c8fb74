// Package proof holds the evidence that usher does what it promises: an attack corpus, published vectors, fuzz targets,
// properties, and tests under load and against other implementations. It is all in tests; docs/evidence.md says how
// to run them and what they showed.
package proof
