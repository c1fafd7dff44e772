//! A dry commit's tree as the renderers' library reads it.
