"""The page that people read: HTML, charts, comparisons; and the generated reference pages."""
