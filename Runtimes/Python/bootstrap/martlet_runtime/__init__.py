"""What runs a handler. Every import here is paid by each cold start, so modules are few and lazy on purpose:
`json`, `re`, `logging` and `traceback` together cost more than the interpreter itself."""
