"""The viewer of the page: planes that the server cuts out of a study, and the browser's side that draws them."""

from radseek.demo.viewer.viewer_routes import viewer_routes

__all__ = ["viewer_routes"]
