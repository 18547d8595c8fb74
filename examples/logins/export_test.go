package main

// NewHandler is newHandler for tests.
var NewHandler = newHandler
