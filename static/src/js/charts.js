/* The pages that draw charts, in one file, as most of it is uPlot. Each finds out by itself whether it is there. */
import "./job.js";
import "./node.js";
