// The viewer's words in English and Chinese. A page may put others in their place: mount(..., {words: {slice: "..."}}).

const WORDS = {
  en: {
    viewer: "Image viewer", tools: "Viewer tools", series: "Series", plane: "Plane",
    axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", stack: "Stack",
    window: "Window", level: "Level", width: "Width", zoom: "Zoom", zoom_in: "Zoom in", zoom_out: "Zoom out", fit: "Fit",
    png: "PNG", png_title: "Save the picture with its scale bar and notice",
    heat: "Heat map", mask: "Mask", opacity: "Opacity of the heat map", heat_low: "low", heat_high: "peak of this slice",
    slice: "Slice {n} of {count}", slice_slider: "Slice", one_slice: "One image", value: "Value",
    profile: "Margin of each slice for \u201c{finding}\u201d", key_slices: "Key slices", margin: "slice {z}: margin {margin}",
    loading: "Loading\u2026", reading: "The other slices are being read\u2026", heat_loading: "Computing the heat map of \u201c{finding}\u201d\u2026",
    no_map: "No heat map: {why}", map_of: "Heat map: {finding}", map_elsewhere: "Heat map: {finding}, on slices {list} ({plane})",
    below_zero: "The margin of \u201c{finding}\u201d is below zero in every slice: the map shows where it was looked for, not that it is there.",
    hot_outside: "On slice {list} most of what is hot lies outside the body: it shows what the encoder looked at, not where a finding is.",
    hot_metal: "On slice {list} most of what is hot lies on metal, such as a device.",
    failed: "The images cannot be shown: {why}", offline: "the server does not answer; try again", ask_again: "ask again in a moment",
    detector: "at the detector", unsure: "Scale unknown", no_sides: "Sides not given by the file", custom: "Own setting",
    file: "As the file asks", full: "Full range", auto: "Automatic", presented: "As presented",
    lung: "Lung", soft: "Soft tissue", bone: "Bone", brain: "Brain", subdural: "Subdural", liver: "Liver", pet: "PET",
    notice: "Research use only. Not a medical device.",
    no_better_than_random_order: "for this encoder and finding it points no better than a random order",
    same_with_random_weights: "with randomised weights the map stays much the same",
    no_view: "no view of this study shows it", no_images: "their files have moved or are gone",
    flat: "the map is flat, so no place stands out", cannot_judge: "this encoder cannot judge it",
    phantom_only: "the encoder learnt it on phantoms only", slice_only: "the encoder learnt it on single slices, and this is a volume",
    other_kind: "the encoder learnt it, or was calibrated, on another kind of study", no_text_tower: "the encoder reads no words",
    meaningless_encoder: "the encoder has random weights",
    out_of_domain: "the image is unlike every study of its kind in the archive",
    tilted: "Slices were taken with a tilted gantry: this reformat is slanted by as much",
    cine: "Play the slices", measure: "Ruler", oval: "Region", keep: "Keep", keep_title: "Keep what is measured on this slice as a note",
    region: "mean {mean}, sd {sd}, min {min}, max {max}{unit} \u00b7 {size}", help_button: "Keys and mouse", keys: "Keys and mouse", close: "Close", pixels: "pixels",
    key_map: "Wheel, \u2191 \u2193\tone slice\nPage Up, Page Down\tten slices\nHome, End\tfirst and last slice\nP, Space\tplay or stop\n"
      + "Drag\tlevel and width\n1 to 9\twindow\nShift and drag, right button\tmove\nCtrl and wheel, + \u2212\tzoom\n0, double click\tas at first\n"
      + "A, C, S\tplane\nH\theat map on or off\nM\truler on or off: drag measures\nO\tregion on or off: drag measures its values\nDelete\ttake the measurements of this slice away\n?\tthis list",
    help: "Wheel or arrow keys: slices. Drag: level and width. Shift and drag: move. Ctrl and wheel, plus or minus: zoom. "
      + "Digits: window. A, C, S: plane. H: heat map. P: play. M: ruler. O: region. 0 or double click: as at first. ?: all keys.",
  },
  zh: {
    viewer: "影像浏览器", tools: "浏览工具", series: "序列", plane: "方位",
    axial: "横断面", coronal: "冠状面", sagittal: "矢状面", stack: "原始层面",
    window: "窗", level: "窗位", width: "窗宽", zoom: "缩放", zoom_in: "放大", zoom_out: "缩小", fit: "适合窗口",
    png: "PNG", png_title: "保存图片（含比例尺与声明）",
    heat: "热图", mask: "分割", opacity: "热图不透明度", heat_low: "低", heat_high: "本层峰值",
    slice: "层面 {n} / {count}", slice_slider: "层面", one_slice: "单幅图像", value: "像素值",
    profile: "各层面“{finding}”的差值", key_slices: "关键层面", margin: "层面 {z}：差值 {margin}",
    loading: "正在读取\u2026", reading: "正在读取其余层面\u2026", heat_loading: "正在计算“{finding}”的热图\u2026",
    no_map: "无热图：{why}", map_of: "热图：{finding}", map_elsewhere: "热图：{finding}，位于层面 {list}（{plane}）",
    below_zero: "“{finding}”在所有层面的差值均低于零：热图只表示在何处查找，并不表示存在该征象。",
    hot_outside: "第 {list} 层热区大部分位于体外：它表示编码器关注之处，而非征象所在。",
    hot_metal: "第 {list} 层热区大部分位于金属（如植入装置）上。",
    failed: "无法显示图像：{why}", offline: "服务器没有响应，请重试", ask_again: "请稍后再试",
    detector: "探测器平面", unsure: "比例未知", no_sides: "文件未提供左右信息", custom: "自定义",
    file: "按文件设定", full: "全范围", auto: "自动", presented: "原始显示",
    lung: "肺窗", soft: "软组织窗", bone: "骨窗", brain: "脑窗", subdural: "硬膜下窗", liver: "肝窗", pet: "PET",
    notice: "仅供研究使用，不是医疗器械。",
    no_better_than_random_order: "对该编码器与征象，热图并不优于随机顺序",
    same_with_random_weights: "随机化权重后热图几乎不变",
    no_view: "本检查没有可判读该征象的视图", no_images: "文件已移动或不存在",
    flat: "热图平坦，没有突出的部位", cannot_judge: "该编码器无法判断此征象",
    phantom_only: "编码器仅在仿真体模上学习过", slice_only: "编码器仅在单层图像上学习过，而本检查为多层",
    other_kind: "编码器在另一类检查上学习或校准", no_text_tower: "编码器不读文字", meaningless_encoder: "编码器使用随机权重",
    out_of_domain: "与档案中同类检查均不相似",
    tilted: "扫描时机架倾斜，此重建图像有相应的偏斜",
    cine: "播放层面", measure: "标尺", oval: "区域", keep: "保存", keep_title: "将本层的测量保存为备注",
    region: "均值 {mean}，标准差 {sd}，最小 {min}，最大 {max}{unit} \u00b7 {size}", help_button: "按键与鼠标", keys: "按键与鼠标", close: "关闭", pixels: "像素",
    key_map: "滚轮、\u2191 \u2193\t一层\nPage Up、Page Down\t十层\nHome、End\t首层与末层\nP、空格\t播放或停止\n"
      + "拖动\t窗宽窗位\n1 至 9\t窗\nShift 加拖动、右键\t平移\nCtrl 加滚轮、+ \u2212\t缩放\n0、双击\t还原\n"
      + "A、C、S\t方位\nH\t热图开关\nM\t标尺开关：拖动测量\nO\t区域开关：拖动测量区域内的值\nDelete\t删除本层的测量\n?\t本列表",
    help: "滚轮或方向键：切换层面。拖动：窗宽窗位。Shift 加拖动：平移。Ctrl 加滚轮或加减号：缩放。"
      + "数字键：窗。A、C、S：方位。H：热图。P：播放。M：标尺。O：区域。0 或双击：还原。?：所有按键。",
  },
};

/** Return word(name, fill): a phrase in a language, with {names} in it filled. */
export function vocabulary(lang, own = {}) {
  const table = { ...(WORDS[lang] || WORDS.en), ...own };
  return (name, fill = {}) => {
    const phrase = table[name] ?? WORDS.en[name] ?? String(name).replaceAll("_", " ");
    return phrase.replace(/\{(\w+)\}/g, (all, key) => (key in fill ? String(fill[key]) : all));
  };
}

/** Return the name of a way of showing grey levels. */
export function presetName(word, name) {
  if (["lung", "soft", "bone", "brain", "subdural", "liver", "pet", "file", "full"].includes(name)) return word(name);
  return word(name.startsWith("mr") || ["nm", "percentile"].includes(name) ? "auto" : "presented");
}
