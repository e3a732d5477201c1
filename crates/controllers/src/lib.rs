//! Controllers: API objects in, API objects out; one file per controller.
