"""Which axes of research an edit touches, judged on syntax trees."""
