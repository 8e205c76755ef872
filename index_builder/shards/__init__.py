"""Parts of one build, written apart on several machines and merged by one committer."""
