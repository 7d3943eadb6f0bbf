"""What several test folders share: the tiny-export builder and the independent oracle."""
