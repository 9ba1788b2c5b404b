"""Reports as text, Markdown and a page: pure functions of `epw.core.report.report.Report`."""
